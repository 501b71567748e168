// The whole gate, behind `npm test`: every check, then every test, then the line `N passed, N failed`.
//
//   npm test                     everything
//   npm test -- <filter> …       only vitest, with these arguments
//   npm run check                only the checks
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findWrongArrows } from './checks/arrows.ts'
import { findDependencyListFaults } from './checks/dependency-list.ts'
import { findLockFaults, findToolchainLockFaults } from './checks/lockfile.ts'
import { type Outcome, runCommand } from './gate/run-command.ts'
import type { TestCounts } from './gate/test-counts.ts'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Each gives what is wrong as text, to be shown as it is. */
const checks: Readonly<Record<string, () => Outcome | Promise<Outcome>>> = {
  types: () => runCommand(root, 'tsc', ['-p', '.']),
  'lint and format': () => runCommand(root, 'biome', ['check', '--error-on-warnings', '--max-diagnostics=50']),
  'package boundaries': () => runCommand(root, 'turbo', ['boundaries', '--no-color']),
  'dead code': () => runCommand(root, 'knip', ['--no-progress', '--no-config-hints']),
  arrows: () => faultsOutcome(findWrongArrows(root)),
  'dependency list': () => faultsOutcome(findDependencyListFaults(root)),
  'lock files': () =>
    faultsOutcome([
      ...findLockFaults(readRoot('pnpm-lock.yaml')),
      ...findToolchainLockFaults(readRoot('scripts/toolchain/package-lock.json')),
    ]),
}

async function main(args: readonly string[]): Promise<void> {
  const checksOnly = args[0] === '--checks-only'
  const counts: TestCounts[] = []
  if (checksOnly || args.length === 0) counts.push(await runChecks())
  if (!checksOnly) counts.push(await runTests(args))

  const sum = (field: keyof TestCounts): number => counts.reduce((total, each) => total + each[field], 0)
  const failed = sum('failed')
  process.exitCode = failed === 0 ? 0 : 1
  if (sum('skipped') > 0) console.log(`${sum('skipped')} skipped`)
  console.log(`${sum('passed')} passed, ${failed} failed`)
}

async function runChecks(): Promise<TestCounts> {
  const outcomes = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      const startedAt = performance.now()
      const { passed, output } = await check()
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      console.log(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
      if (!passed) console.log(`${output.trimEnd()}\n`)
      return passed
    }),
  )
  const passed = outcomes.filter(Boolean).length
  return { passed, failed: outcomes.length - passed, skipped: 0 }
}

/** Vitest in a process of its own: one that crashes or ends badly without a count is a failure, never a silence. */
async function runTests(args: readonly string[]): Promise<TestCounts> {
  const folder = mkdtempSync(join(tmpdir(), 'inferq-gate-'))
  try {
    const file = join(folder, 'counts.json')
    const own = ['test-counts.ts', 'stall-watch.ts'].map((name) => `--reporter=${join(root, 'scripts/gate', name)}`)
    const { passed } = await runCommand(root, 'vitest', ['run', '--reporter=default', ...own, ...args], {
      show: true,
      environment: { INFERQ_TEST_COUNTS: file },
    })
    const counts = readCounts(file)
    return !passed && counts.failed === 0 ? { ...counts, failed: 1 } : counts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readCounts(file: string): TestCounts {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

function readRoot(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

function faultsOutcome(faults: readonly string[]): Outcome {
  return { passed: faults.length === 0, output: faults.join('\n') }
}

await main(process.argv.slice(2))
