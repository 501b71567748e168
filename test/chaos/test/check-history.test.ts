import type { JobView } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { checkHistory } from '../history/check-history.ts'
import {
  type AttemptRow,
  type ClientRequest,
  type History,
  promiseOf,
  type ReadEvent,
  type Rule,
  rules,
} from '../history/history.ts'
import { brokenAnswers } from './support/broken-answers.ts'
import { brokenJobs } from './support/broken-jobs.ts'
import { changeJob, changeReader, good, job, jobId, readLost, request } from './support/good-history.ts'

/** For each rule, ways to break it and nothing else of what its history is about. */
const broken: Readonly<Record<Rule, readonly History[]>> = { ...brokenJobs, ...brokenAnswers }

describe('the checker of histories', () => {
  it('finds nothing wrong with a history in which everything went right', () => {
    expect(checkHistory(good)).toEqual([])
  })

  it.each(rules)('finds a history that breaks %s', (rule) => {
    expect(broken[rule].length).toBeGreaterThan(0)
    for (const history of broken[rule]) {
      const found = checkHistory(history).map((violation) => violation.rule)
      expect(found).toContain(rule)
    }
  })

  it('knows the promise that each rule belongs to', () => {
    expect(new Set(rules.map((rule) => promiseOf[rule]))).toEqual(new Set([1, 2, 3, 4, 7, 8]))
  })
})

describe('the checker allows', () => {
  const allowed = (history: History): void => expect(checkHistory(history)).toEqual([])
  const withRequests = (...requests: readonly Partial<ClientRequest>[]): History => ({
    ...good,
    requests: [...good.requests, ...requests.map((one) => request({ user: 'w-9', ...one }))],
  })

  it('an estimate of an answer that was put together from several', () => {
    const usage = new Map(good.usage).set(jobId, [
      { promptTokens: 9, completionTokens: 9, costNanoUsd: 11_000, estimated: true },
    ])
    allowed({ ...changeJob({ usage: { ...job.usage, estimated: true } as JobView['usage'] }), usage })
  })

  it('the cost of an attempt that was continued', () => {
    const usage = new Map(good.usage).set(jobId, [
      { promptTokens: 5, completionTokens: 4, costNanoUsd: 18_000, estimated: true },
    ])
    const attempts = job.attempts.map((one) => (one.attempt === 2 ? { ...one, continued: true } : one))
    allowed({ ...changeJob({ attempts }), usage })
  })

  it('a price that is not known', () => {
    const usage = new Map([...good.usage].map(([id, rows]) => [id, rows.map((row) => ({ ...row, costNanoUsd: null }))]))
    const attempts = new Map(
      [...good.attempts].map(([id, rows]) => [id, rows.map((row) => ({ ...row, costNanoUsd: null }))]),
    )
    const requests = good.requests.map(({ costNanoUsd: _, ...one }) => one)
    allowed({ ...good, usage, attempts, requests, prices: new Map() })
  })

  it('refusals that say when, failures in the envelope, and connections that are cut', () => {
    allowed(
      withRequests(
        { status: 503, retryAfter: '1', errorCode: 'service_unavailable' },
        { status: 429, retryAfter: '2', errorCode: 'rate_limit_exceeded' },
        { status: 502, errorCode: 'upstream_error' },
        { status: 504, errorCode: 'upstream_timeout' },
        { status: null, ended: 'cut' },
        { kind: 'stream', ended: 'cut', text: 'some ', expected: 'some words' },
        { kind: 'stream', ended: 'error', errorCode: 'stream_interrupted', text: 'some ', expected: 'some words' },
        { kind: 'events', ended: 'error', jobId },
        { kind: 'events', ended: 'left', jobId },
      ),
    )
  })

  it('a cancel that came too late', () => {
    allowed(
      withRequests(
        { kind: 'cancel', jobId, outcome: 'cancelling' },
        { kind: 'cancel', jobId, outcome: 'already_finished' },
      ),
    )
  })

  it('an event without an id between two of the log', () => {
    allowed(changeReader('whole', (all) => all.toSpliced(4, 0, { id: '', event: 'output.reset', digest: 'x' })))
  })

  it('a call that a fault kept from being stopped, as long as it was stopped then', () => {
    const late = good.requests.map((one) => (one.kind === 'leave' ? { ...one, endedAt: 1_000 } : one))
    const calls = new Map(good.calls)
    calls.set(
      'l-1',
      (good.calls.get('l-1') ?? []).map((call) => ({ ...call, endedAt: 40_000 })),
    )
    const history = { ...good, requests: late, calls }
    allowed({ ...history, disturbances: [{ from: 2_000, to: 30_000 }] })
    const { disturbances: _, ...unknown } = history
    allowed(unknown)
    expect(checkHistory({ ...history, disturbances: [{ from: 60_000, to: 61_000 }] })).toHaveLength(1)
  })
})

describe('where Redis has lost what it held, the checker allows', () => {
  const redisLosses = [{ from: 500, to: 600 }]
  const again: readonly ReadEvent[] = [
    { id: '1001-0', event: 'output.reset', digest: 'r' },
    { id: '1002-0', event: 'job.started', digest: 's3' },
    { id: '1002-1', event: 'output.delta', text: 'kept words' },
    { id: '1002-2', event: 'job.completed', digest: 'end' },
  ]
  const reader = (name: string, before: number, after: readonly ReadEvent[]): History['readers'][number] => {
    const start = readLost.slice(0, before)
    const times = [...start.map(() => 100), ...after.map(() => 700)]
    return { reader: name, jobId, events: [...start, ...after], times, isComplete: true }
  }
  const told = (...readers: History['readers']): History => ({ ...good, readers, redisLosses })

  it('a log that begins anew above all ids it had', () => {
    expect(checkHistory(told(reader('one', 5, again), reader('other', 2, again)))).toEqual([])
    expect(checkHistory({ ...told(reader('one', 5, again), reader('other', 2, again)), redisLosses: [] })).toHaveLength(
      1,
    )
  })

  it('an end that Postgres tells, in place of the log that is gone', () => {
    const stored = [{ id: '2-999999999', event: 'job.completed', digest: 'end' }]
    expect(checkHistory(told(reader('one', 5, stored), reader('late', 0, stored)))).toEqual([])
    expect(checkHistory({ ...told(reader('one', 5, stored)), redisLosses: [] }).map(({ rule }) => rule)).toEqual([
      'text-is-the-answer',
    ])
  })

  it('no gap within an attempt all the same', () => {
    const holed = again.toSpliced(2, 1)
    expect(checkHistory(told(reader('one', 5, again), reader('other', 5, holed))).map(({ rule }) => rule)).toContain(
      'no-gap',
    )
  })

  it('attempts that are counted anew', () => {
    const later = (rows: readonly AttemptRow[]) => rows.map((row) => ({ ...row, attempt: row.attempt + 1_000_000 }))
    const attempts = new Map([...good.attempts].map(([id, rows]) => [id, later(rows)]))
    expect(checkHistory({ ...good, attempts, redisLosses })).toEqual([])
  })

  it('another end than the one that was lost before it was recorded', () => {
    const failed = reader('early', 6, [{ id: '2-9', event: 'job.failed', digest: 'end' }])
    const early = { ...failed, times: failed.events.map(() => 400) }
    expect(checkHistory(told(early, reader('one', 5, again)))).toEqual([])
    expect(checkHistory({ ...told(early, reader('one', 5, again)), redisLosses: [] })).not.toEqual([])
  })

  it('an interactive answer that is not on the bill', () => {
    const usage = new Map([...good.usage].filter(([id]) => id === jobId))
    const at = { startedAt: 300, endedAt: 450 }
    const requests = good.requests.map((one) => ({ ...one, ...at }))
    const calls = new Map<string, never>()
    expect(checkHistory({ ...good, requests, usage, calls, redisLosses })).toEqual([])
    expect(checkHistory({ ...good, requests, usage, calls, redisLosses: [{ from: 10, to: 20 }] })).not.toEqual([])
  })
})
