import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createSilentLog, spawnChild } from '../src/index.ts'
import { processesNaming, runFixture, temporaryDir, until } from './support.ts'

const main = new URL('./fixtures/with-grandchild.ts', import.meta.url).pathname

test('what a program has started is gone with it, however it ends', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const marker = join(temporaryDir(), signal)
    const lines: string[] = []
    const child = await spawnChild({
      name: 'backend',
      command: process.execPath,
      args: [main, marker],
      env: process.env,
      wholeGroup: true,
      log: createSilentLog(),
      onLine: (line) => lines.push(line),
    })
    await until(() => lines.includes('grandchild up'))
    child.kill(signal)
    expect(await child.exited).toEqual({ code: null, signal })
    await until(() => processesNaming(marker).length === 0, 10_000, 'the grandchild gone')
  }
})

test('it is gone too when the parent was killed, though it ignores SIGTERM', async () => {
  const marker = join(temporaryDir(), 'orphans')
  const parent = runFixture('group-parent.ts', [marker])
  await until(() => parent.lines.includes('grandchild up'))
  parent.process.kill('SIGKILL')
  await until(() => processesNaming(marker).length === 0, 20_000, 'every process gone')
})
