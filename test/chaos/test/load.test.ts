import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkHistory } from '../history/check-history.ts'
import { createLoad } from '../load/create-load.ts'
import { startSystem } from '../system/start-system.ts'
import type { System } from '../system/system.ts'

const patienceMs = 60_000

describe('a load', () => {
  let system: System

  beforeAll(async () => {
    system = await startSystem({ workers: 1, controllers: 1, replica: false, postgres: 'embedded' })
  }, 120_000)
  afterAll(() => system?.stop())

  it('finds nothing wrong with a healthy system, and has used all of it', async () => {
    const load = createLoad({
      ...{ system, seed: 11 },
      clients: { async: 3, streaming: 2, whole: 2, embedding: 1, leaving: 2 },
      tokens: [3, 20],
      interTokenMs: [1, 30],
    })
    load.start()
    await until(() => load.counts.accepted >= 15 && load.counts.answered >= 15, { timeoutMs: 60_000 })
    await load.stop(patienceMs)
    const history = await load.history({ disturbances: [] })

    expect(checkHistory(history)).toEqual([])
    const kinds = new Set(history.requests.map(({ kind }) => kind))
    for (const kind of ['submit', 'events', 'stream', 'whole', 'embedding', 'leave'] as const) {
      expect(kinds).toContain(kind)
    }
    expect(history.accepted.length).toBe(load.counts.accepted)
    expect(history.jobs.size).toBe(history.accepted.length)
    expect(history.readers.length).toBeGreaterThanOrEqual(history.accepted.length)
    expect(history.readers.every(({ isComplete }) => isComplete)).toBe(true)
    // Each of these would let a rule pass for want of something to judge.
    expect(history.readers.some(({ events }) => events.some(({ text }) => text !== undefined))).toBe(true)
    expect(history.requests.some(({ ended, jobId }) => ended === 'terminal' && history.usage.has(jobId ?? ''))).toBe(
      true,
    )
    expect(history.requests.some(({ text, expected }) => text !== undefined && text === expected)).toBe(true)
    const left = history.requests.filter(({ ended }) => ended === 'left').map(({ user }) => user ?? '')
    expect(left.some((user) => history.calls.get(user)?.some(({ outcome }) => outcome === 'aborted'))).toBe(true)
    const paid = [...history.usage.values()].flat().map(({ costNanoUsd }) => costNanoUsd)
    expect(paid.some((cost) => (cost ?? 0) > 0)).toBe(true)
    expect([...history.attempts.values()].flat().some(({ costNanoUsd }) => (costNanoUsd ?? 0) > 0)).toBe(true)
  }, 180_000)
})
