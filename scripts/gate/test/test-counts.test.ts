import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const repository = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

/** Runs a real vitest over the given test files and gives what the reporter left behind. */
async function countsOf(files: Readonly<Record<string, string>>): Promise<unknown> {
  const folder = mkdtempSync(join(tmpdir(), 'inferq-counts-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const counts = join(folder, 'counts.json')
  const reporter = `--reporter=${join(repository, 'scripts/gate/test-counts.ts')}`
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  const child = spawn(process.execPath, [vitest, 'run', '--root', folder, '--globals', reporter], {
    stdio: 'ignore',
    env: { ...process.env, INFERQ_TEST_COUNTS: counts },
  })
  await once(child, 'exit')
  return JSON.parse(readFileSync(counts, 'utf8'))
}

test('counts what passed, failed and was skipped', async () => {
  const text = "test('a', () => {}); test('b', () => {}); test('c', () => { throw 1 }); test.skip('d', () => {})"
  expect(await countsOf({ 'a.test.ts': text })).toEqual({ passed: 2, failed: 1, skipped: 1 })
})

test('counts a failure outside any test as a failed one', async () => {
  const counts = await countsOf({
    'good.test.ts': "test('a', () => {})",
    'module.test.ts': "throw new Error('does not load')",
    'hook.test.ts': "describe('s', () => { afterAll(() => { throw new Error('hook') }); test('a', () => {}) })",
    'unhandled.test.ts': "test('a', () => { void Promise.reject(new Error('nobody waits')) })",
  })
  expect(counts).toEqual({ passed: 3, failed: 3, skipped: 0 })
})
