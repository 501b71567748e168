import type { AttemptRecord, ErrorCode } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { attemptsAt, summariseFailures } from '../src/index.ts'

function attempt(
  number: number,
  hop: number,
  outcome: AttemptRecord['outcome'],
  code?: ErrorCode,
  deployment = `d${number}`,
): AttemptRecord {
  return {
    attempt: number,
    hop,
    class: 'x',
    worker: 'w',
    startedAt: number * 1000,
    endedAt: number * 1000 + 500,
    deployment,
    ...(outcome === undefined ? {} : { outcome }),
    ...(code === undefined ? {} : { error: { code, message: `${code} happened`, param: `p${number}` } }),
  }
}

describe('the attempts at a candidate', () => {
  it('count from the hop on, without those put back', () => {
    const attempts = [
      attempt(1, 0, 'fallback', 'upstream_error'),
      attempt(2, 1, 'requeued', 'upstream_overloaded'),
      attempt(3, 1, 'requeued'),
      attempt(4, 1, 'retried', 'upstream_timeout'),
      attempt(5, 1, 'lost'),
      attempt(6, 1, undefined),
    ]
    expect(attemptsAt(attempts, 1, 9000)).toEqual({
      tries: 3,
      requeues: 2,
      failed: ['d2', 'd4', 'd5'],
      failingForMs: 6500,
    })
    expect(attemptsAt(attempts, 2, 9000)).toEqual({ tries: 0, requeues: 0, failed: [], failingForMs: 0 })
  })
})

describe('a summary of failures', () => {
  it('has the error of the first candidate, and tells every attempt', () => {
    const summary = summariseFailures([
      attempt(1, 0, 'retried', 'upstream_error'),
      attempt(2, 0, 'fallback', 'context_length_exceeded'),
      attempt(3, 1, 'failed', 'upstream_timeout'),
    ])
    expect(summary).toMatchObject({ code: 'context_length_exceeded', param: 'p2' })
    expect(summary?.message).toBe(
      'All 3 attempts failed. d1: upstream_error (upstream_error happened); d2: context_length_exceeded (context_length_exceeded happened); d3: upstream_timeout (upstream_timeout happened)',
    )
  })

  it('is the error itself when there is one, and nothing when there is none', () => {
    const only = attempt(1, 0, 'failed', 'upstream_error')
    expect(summariseFailures([only])).toEqual(only.error)
    expect(summariseFailures([attempt(1, 0, 'lost')])).toBeUndefined()
  })

  it('takes a rejected answer or an open circuit for the reason only where there is no other', () => {
    const rejected = attempt(1, 0, 'fallback', 'answer_rejected')
    const failed = attempt(2, 1, 'failed', 'upstream_error')
    expect(summariseFailures([rejected, failed])?.code).toBe('upstream_error')
    expect(summariseFailures([rejected, attempt(2, 1, 'failed', 'circuit_open')])?.code).toBe('answer_rejected')
  })

  it('has a bound, however much was tried', () => {
    const long = Array.from({ length: 100 }, (_, index) => ({
      ...attempt(index, 0, 'retried', 'upstream_error'),
      error: { code: 'upstream_error' as const, message: 'x'.repeat(10_000) },
    }))
    expect(summariseFailures(long)?.message.length).toBeLessThan(4000)
    expect(summariseFailures(long)?.message).toContain('and 88 more')
  })
})
