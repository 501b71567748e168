import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  createSupervisor,
  createSystemClock,
  type Deadline,
  type Log,
  type Supervisor,
  spawnNodeChild,
} from '../src/index.ts'
import { collectLog, processesNaming, runFixture, temporaryDir, until } from './support.ts'

const clock = createSystemClock()
const main = new URL('./fixtures/child.ts', import.meta.url)
const soon = (timeoutMs: number): Deadline => ({ signal: AbortSignal.timeout(timeoutMs), timeoutMs })

function childOptions(behaviour: string, log: Log = collectLog()) {
  return { name: 'child', main, args: [behaviour], env: process.env, log, clock, readyTimeoutMs: 10_000 }
}

function supervise(behaviour: string, log = collectLog()): Supervisor {
  const supervisor = createSupervisor({
    name: 'child',
    log,
    clock,
    backoff: { firstMs: 1, maxMs: 10 },
    spawn: (signal) => spawnNodeChild({ ...childOptions(behaviour, log), signal }),
  })
  onTestFinished(() => supervisor.stop(soon(5_000)))
  return supervisor
}

test('a child is up once it says so, and hands over what it has to tell', async () => {
  const child = await spawnNodeChild(childOptions('normal'))
  expect(child.detail).toEqual({ port: 4_000 })
  child.kill('SIGTERM')
  expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' })
})

test('a child that cannot start says why, and is gone', async () => {
  await expect(spawnNodeChild(childOptions('cannot-start'))).rejects.toMatchObject({
    code: 'child_start_failed',
    message: 'no GPU',
    detail: { gpu: 3 },
  })
})

test('a child that exits before it is ready is reported with what it wrote', async () => {
  await expect(spawnNodeChild(childOptions('exits'))).rejects.toThrow('child exited with 7: nothing to do')
})

test('a child that never becomes ready is ended at its deadline', async () => {
  const marker = join(temporaryDir(), 'never')
  const options = { ...childOptions('never-ready'), args: ['never-ready', marker], readyTimeoutMs: 500 }
  await expect(spawnNodeChild(options)).rejects.toThrow('starting child took longer than 500 ms')
  await until(() => processesNaming(marker).length === 0)
})

test('a child that dies is started again, and one that hangs is replaced', async () => {
  const log = collectLog()
  const supervisor = supervise('normal', log)
  await supervisor.start()
  const firstPid = supervisor.pid ?? 0
  process.kill(firstPid, 'SIGKILL')
  await until(() => supervisor.restarts === 1)
  const secondPid = supervisor.pid ?? 0
  supervisor.replace('it hangs')
  await until(() => supervisor.restarts === 2)
  expect(new Set([firstPid, secondPid, supervisor.pid]).size).toBe(3)
  expect(log.has('child-died')).toBe(true)
  await supervisor.stop(soon(5_000))
  expect([supervisor.state, supervisor.pid]).toEqual(['stopped', undefined])
})

test('stopping ends a child that ignores SIGTERM at the deadline, and waits until it is gone', async () => {
  const supervisor = supervise('ignores-sigterm')
  await supervisor.start()
  const { pid = 0 } = supervisor
  await supervisor.stop(soon(300))
  expect(() => process.kill(pid, 0)).toThrow('ESRCH')
})

test('a child that ignores SIGTERM does not outlive a parent killed with SIGKILL', async () => {
  const marker = join(temporaryDir(), 'orphan')
  const parent = runFixture('supervising-parent.ts', [marker])
  await until(() => parent.lines.length > 0)
  expect(processesNaming(marker).length).toBeGreaterThanOrEqual(2)
  parent.process.kill('SIGKILL')
  await until(() => processesNaming(marker).length === 0, 5_000, 'every process gone')
})
