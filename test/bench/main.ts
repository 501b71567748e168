import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, parseCommand, usage } from './options.ts'

const main = fileURLToPath(import.meta.url)
const root = join(import.meta.dirname, '..', '..')
const startedAt = performance.now()
const workplace = {
  root,
  main,
  environment: process.env,
  progress: (line: string): void => {
    process.stderr.write(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`)
  },
}

/** Gives the exit code. Each command loads only what it needs: the load generator and the pass-through stay lean. */
async function execute(command: Command): Promise<number> {
  switch (command.kind) {
    case 'run': {
      const { runBench } = await import('./run.ts')
      const { writeReport } = await import('./report/files.ts')
      const report = await runBench(command, workplace)
      const file = command.out ?? join(root, '.inferq', 'bench', `${report.startedAt.replaceAll(/[:.]/g, '-')}.json`)
      writeReport(file, report)
      process.stdout.write(`${await describeReport(report)}\nJSON: ${file}\n`)
      const { allFaults } = await import('./report/summary.ts')
      return allFaults(report).length === 0 ? 0 : 1
    }
    case 'report': {
      const { readReport, writeText } = await import('./report/files.ts')
      const { renderPage } = await import('./report/page.ts')
      const file = command.out ?? join(root, 'docs', 'benchmarks.md')
      writeText(file, renderPage(readReport(command.file)))
      process.stdout.write(`${file}\n`)
      return 0
    }
    case 'compare': {
      const { compareCheckouts } = await import('./compare.ts')
      process.stdout.write(`${await compareCheckouts(command, workplace)}\n`)
      return 0
    }
    case 'profile': {
      const { profileStack } = await import('./profile.ts')
      process.stdout.write(`${await profileStack(command, workplace)}\n`)
      return 0
    }
    case 'routing': {
      const { benchRouting } = await import('./routing.ts')
      process.stdout.write(`${benchRouting()}\n`)
      return 0
    }
    case 'validation': {
      const { benchValidation } = await import('./validation.ts')
      process.stdout.write(`${benchValidation()}\n`)
      return 0
    }
    case 'durability': {
      const { benchDurability } = await import('./durability.ts')
      process.stdout.write(`${await benchDurability(command, workplace)}\n`)
      return 0
    }
    case 'batch': {
      const { benchBatch } = await import('./batch.ts')
      process.stdout.write(`${await benchBatch(workplace)}\n`)
      return 0
    }
    case 'fleet': {
      const { benchFleet } = await import('./fleet/bench-fleet.ts')
      process.stdout.write(`${benchFleet(command, workplace)}\n`)
      return 0
    }
    case 'gpu': {
      const { benchGpu } = await import('./gpu/bench-gpu.ts')
      process.stdout.write(`${await benchGpu(command, workplace)}\n`)
      return 0
    }
    case 'load': {
      const { runLoadChild } = await import('./load/child.ts')
      runLoadChild()
      return 0
    }
    case 'pass-through': {
      const { servePassThrough } = await import('./targets/pass-through-server.ts')
      servePassThrough(command.port, command.upstreamUrl)
      return 0
    }
    case 'help':
      process.stdout.write(usage)
      return 0
    default:
      return command satisfies never
  }
}

async function describeReport(report: import('./report/results.ts').BenchReport): Promise<string> {
  const { renderSections } = await import('./report/tables.ts')
  return renderSections(report)
    .map(({ title, table }) => `\n${title}\n${table}`)
    .join('\n')
}

try {
  process.exitCode = await execute(parseCommand(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n\n${usage}`)
  process.exitCode = 1
}
