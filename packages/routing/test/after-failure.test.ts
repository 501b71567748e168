import { type ErrorCode, errorTable, isRetryable } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideAfterFailure, type FailureFacts } from '../src/index.ts'

const codes = Object.keys(errorTable) as ErrorCode[]

function facts(changes: Partial<FailureFacts> & { code?: ErrorCode; retryAfterSeconds?: number } = {}): FailureFacts {
  const { code = 'upstream_error', retryAfterSeconds, ...others } = changes
  return {
    error: { code, message: 'x', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    tries: 1,
    maxAttempts: 3,
    shownOutput: false,
    now: 1_000_000,
    finishBy: 1_600_000,
    random: () => 0.5,
    isLastCandidate: true,
    ...others,
  }
}

const anyFacts: fc.Arbitrary<FailureFacts> = fc
  .record({
    code: fc.constantFrom(...codes),
    retryAfterSeconds: fc.option(fc.double({ min: -1, max: 1e9, noNaN: true }), { nil: undefined }),
    tries: fc.integer({ min: 1, max: 200 }),
    maxAttempts: fc.integer({ min: 1, max: 101 }),
    requeues: fc.integer({ min: 0, max: 10_000 }),
    shownOutput: fc.boolean(),
    now: fc.integer({ min: 0, max: 2e12 }),
    leftMs: fc.oneof(fc.integer({ min: -1000, max: 5000 }), fc.integer({ min: 0, max: 1e9 })),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    isLastCandidate: fc.boolean(),
  })
  .map(({ code, retryAfterSeconds, now, leftMs, random, ...others }) => ({
    error: { code, message: 'x', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    now,
    finishBy: now + leftMs,
    random: () => random,
    ...others,
  }))

describe('after a failure', () => {
  it('puts the job back without counting when the upstream has no room', () => {
    expect(decideAfterFailure(facts({ code: 'upstream_overloaded', tries: 3 }))).toEqual({
      move: 'requeue',
      delayMs: 125,
    })
  })

  it('counts the attempt when an upstream without room had already shown output', () => {
    const decision = decideAfterFailure(facts({ code: 'upstream_overloaded', shownOutput: true }))
    expect(decision.move).toBe('retry')
  })

  it('waits longer with every requeue', () => {
    const delays = [0, 1, 2, 20].map((requeues) => {
      const decision = decideAfterFailure(facts({ code: 'upstream_overloaded', requeues }))
      return 'delayMs' in decision ? decision.delayMs : -1
    })
    expect(delays).toEqual([125, 250, 500, 10_000])
  })

  it('retries what may pass, until the attempts are used up', () => {
    expect(decideAfterFailure(facts({ tries: 2 }))).toEqual({ move: 'retry', delayMs: 250 })
    expect(decideAfterFailure(facts({ tries: 3 }))).toEqual({ move: 'fail' })
    expect(decideAfterFailure(facts({ tries: 3, isLastCandidate: false }))).toEqual({ move: 'fallback' })
  })

  it('keeps to Retry-After, and gives up when that is after the deadline', () => {
    const asked = facts({ code: 'upstream_overloaded', retryAfterSeconds: 7 })
    expect(decideAfterFailure(asked)).toEqual({ move: 'requeue', delayMs: 7125 })
    expect(decideAfterFailure({ ...asked, finishBy: asked.now + 6_000 })).toEqual({ move: 'fail' })
    expect(decideAfterFailure({ ...asked, finishBy: asked.now + 6_000, isLastCandidate: false }).move).toBe('fallback')
  })

  it('fails at once what no other try would change', () => {
    expect(decideAfterFailure(facts({ code: 'upstream_invalid_request', isLastCandidate: false })).move).toBe('fail')
    expect(decideAfterFailure(facts({ code: 'upstream_authentication' })).move).toBe('fail')
  })

  it('goes to the next candidate with what another model may serve', () => {
    expect(decideAfterFailure(facts({ code: 'context_length_exceeded', isLastCandidate: false })).move).toBe('fallback')
  })

  it('never waits until the deadline or past it, nor less than nothing', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decideAfterFailure(given)
        if (!('delayMs' in decision)) return
        expect(Number.isSafeInteger(decision.delayMs)).toBe(true)
        expect(decision.delayMs).toBeGreaterThanOrEqual(0)
        expect(given.now + decision.delayMs).toBeLessThan(given.finishBy)
      }),
      { numRuns: 2000 },
    )
  })

  it('never comes back before Retry-After', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decideAfterFailure(given)
        if (!('delayMs' in decision)) return
        expect(decision.delayMs).toBeGreaterThanOrEqual((given.error.retryAfterSeconds ?? 0) * 1000)
      }),
      { numRuns: 2000 },
    )
  })

  it('never tries more often than allowed, nor what is not retryable, and has a next candidate to fall back to', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { move } = decideAfterFailure(given)
        if (move === 'retry') expect(given.tries).toBeLessThan(given.maxAttempts)
        if (move === 'retry' || move === 'requeue') expect(isRetryable(given.error.code)).toBe(true)
        if (move === 'requeue') expect(given.shownOutput).toBe(false)
        if (move === 'fallback') expect(given.isLastCandidate).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })
})
