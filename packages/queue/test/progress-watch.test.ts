import { createManualClock, createSilentLog } from '@inferq/runtime'
import { beforeEach, expect, it, onTestFinished } from 'vitest'
import type { Fetcher } from '../src/fetcher.ts'
import { createProgressWatch } from '../src/progress-watch.ts'

/** What the watch looks at of a fetcher. */
interface Facts {
  running: number
  jobsAtOnce: number
  fetchedAt: number
}

const everyMs = 50
const stuckMs = 100
let clock: ReturnType<typeof createManualClock>
let fetcher: Facts
let waiting: number
let stuck: object[]

beforeEach(async () => {
  clock = createManualClock()
  fetcher = { running: 0, jobsAtOnce: 2, fetchedAt: clock.monotonic() }
  waiting = 10
  stuck = []
  const watch = createProgressWatch({
    ...{ name: 'progress', clock, log: createSilentLog(), everyMs, stuckMs },
    fetchers: () => [fetcher as Fetcher],
    backlog: async () => waiting,
    onStuck: (_, facts) => void stuck.push(facts),
  })
  await watch.start()
  onTestFinished(() => watch.stop({ signal: new AbortController().signal, timeoutMs: 5_000 }))
})

it('a fetcher that has room and gets nothing of what waits is wedged, after so long', async () => {
  await clock.advance(everyMs + stuckMs - 1)
  expect(stuck).toEqual([])
  await clock.advance(1)
  expect(stuck).toEqual([{ waiting: 10, idleMs: everyMs + stuckMs }])
})

it.each<[string, () => void]>([
  ['has nothing to do', () => (waiting = 0)],
  ['has no room', () => (fetcher.running = 2)],
  ['gets what there is', () => (fetcher.fetchedAt = clock.monotonic())],
])('one that %s is not, however long that lasts', async (_, keep) => {
  for (let turns = 0; turns < 40; turns++) {
    keep()
    await clock.advance(everyMs - 1)
  }
  expect(stuck).toEqual([])
})

it('one that got something in between is not, and has as long again', async () => {
  await clock.advance(everyMs + stuckMs - 1)
  fetcher.fetchedAt = clock.monotonic()
  await clock.advance(everyMs + stuckMs)
  expect(stuck).toEqual([])
  await clock.advance(everyMs)
  expect(stuck).toHaveLength(1)
})
