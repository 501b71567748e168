import { join } from 'node:path'
import { until } from '@inferq/testkit'
import { describe, expect, it } from 'vitest'
import type { RunResult, Scheduled } from '../run/run.ts'
import { runChaos } from '../run/run-chaos.ts'
import { settle } from '../run/settle.ts'
import { watchMembers } from '../run/watch-members.ts'
import { startSystem } from '../system/start-system.ts'

// A machine that is busy may take long for what is quick; what hangs is found by the runs themselves.
const patienceMs = 400_000

const lightLoad = {
  clients: { async: 4, streaming: 2, whole: 2, embedding: 1, leaving: 1 },
  tokens: [5, 40],
  interTokenMs: [2, 20],
} as const

/** One after the other, with time between them to come back. */
function oneByOne(...faults: readonly (readonly [fault: string, lastsMs: number])[]): Scheduled[] {
  let atMs = 2_000
  return faults.map(([fault, lastsMs]) => {
    const scheduled = { fault, atMs, lastsMs }
    atMs += lastsMs + 1_500
    return scheduled
  })
}

/** What was seen of a promise that was broken is in `.inferq/chaos/test-<name>`. */
function runUnder(name: string, schedule: readonly Scheduled[]): Promise<RunResult> {
  const logFolder = join(import.meta.dirname, '../../../.inferq/chaos', `test-${name}`)
  return runChaos({
    seed: 5,
    durationMs: 1_000,
    schedule,
    load: lightLoad,
    system: { postgres: 'embedded' },
    logFolder,
  })
}

function expectKept(result: RunResult, schedule: readonly Scheduled[]): void {
  expect(result.violations).toEqual([])
  expect(result.injected.map(({ fault }) => fault).toSorted()).toEqual(schedule.map(({ fault }) => fault).toSorted())
  // That nothing went wrong with nothing says little.
  expect(result.accepted).toBeGreaterThan(3)
  expect(result.answered).toBeGreaterThan(5)
}

describe('every promise is kept', () => {
  it('while Redis and processes fail', { timeout: patienceMs }, async () => {
    const schedule = [
      ...oneByOne(
        ['redis-crash', 1_000],
        ['redis-blackhole-one', 3_000],
        ['redis-pause', 2_000],
        ['redis-reset', 1_500],
      ),
      { fault: 'worker-killed', atMs: 4_500, lastsMs: 2_000 },
      { fault: 'ingress-killed', atMs: 10_500, lastsMs: 1_000 },
    ]
    const result = await runUnder('redis', schedule)
    expectKept(result, schedule)
    expect(result.recoveries.map(({ after }) => after)).toContain('redis-restarted')
  })

  it('while Postgres and processes fail', { timeout: patienceMs }, async () => {
    const schedule = [
      ...oneByOne(['postgres-down', 3_000], ['postgres-blackhole-one', 3_000], ['postgres-reset', 1_500]),
      { fault: 'controller-killed', atMs: 3_000, lastsMs: 2_000 },
      { fault: 'worker-terminated', atMs: 7_500, lastsMs: 500 },
    ]
    expectKept(await runUnder('postgres', schedule), schedule)
  })

  it('while the upstream fails', { timeout: patienceMs }, async () => {
    const schedule = oneByOne(
      ['upstream-cut', 1_500],
      ['upstream-503', 1_500],
      ['upstream-reset', 1_500],
      ['upstream-malformed', 1_500],
      ['upstream-hangs-before', 1_500],
      ['upstream-wrong-usage', 1_500],
    )
    expectKept(await runUnder('upstream', schedule), schedule)
  })
})

describe('what is watched beside the clients', () => {
  it('is processes that end by themselves, and what is left when all is over', { timeout: patienceMs }, async () => {
    const real = await startSystem({ postgres: 'embedded', replica: false, controllers: 1, ingresses: 1, workers: 1 })
    const watch = watchMembers(real)
    try {
      const { system } = watch
      expect(await settle(system, 60_000)).toEqual([])

      const [worker] = system.workers
      if (worker === undefined) throw new Error('no worker')
      await worker.signal('SIGKILL')
      const complaints = await settle(system, 0)
      expect(complaints).toContainEqual({ rule: 'comes-back', about: 'worker-1', detail: 'it is not up' })
      expect(watch.deaths).toEqual([])
      await worker.start()

      process.kill(worker.pid, 'SIGKILL')
      await until(() => watch.deaths.length > 0)
      expect(watch.deaths.map(({ member }) => member)).toEqual(['worker-1'])
      await watch.stop()
      expect(await settle(system, 60_000)).toEqual([])
    } finally {
      await watch.stop()
      await real.stop()
    }
  })
})
