import { type Candidate, type ErrorCode, errorTable, isRetryable } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideAfterFailure, type FailureFacts } from '../src/index.ts'

const codes = Object.keys(errorTable) as ErrorCode[]

const candidate = (model: string, after?: Candidate['after']): Candidate => ({
  model,
  class: model,
  deployments: [model],
  ...(after === undefined ? {} : { after }),
})
const alone = [candidate('a')]
const two = [candidate('a'), candidate('b')]

function facts(changes: Partial<FailureFacts> & { code?: ErrorCode; retryAfterSeconds?: number } = {}): FailureFacts {
  const { code = 'upstream_error', retryAfterSeconds, ...others } = changes
  return {
    error: { code, message: 'x', ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    candidates: alone,
    hop: 0,
    tries: 1,
    maxAttempts: 3,
    shownOutput: false,
    now: 1_000_000,
    finishBy: 1_600_000,
    random: () => 0.5,
    ...others,
  }
}

const anyFacts: fc.Arbitrary<FailureFacts> = fc
  .record({
    code: fc.constantFrom(...codes),
    retryAfterSeconds: fc.option(fc.double({ min: -1, max: 1e9, noNaN: true }), { nil: undefined }),
    tries: fc.integer({ min: 1, max: 200 }),
    maxAttempts: fc.integer({ min: 1, max: 101 }),
    retries: fc.record({
      attempts: fc.dictionary(
        fc.constantFrom('timeout', 'rate_limit', 'content_policy', 'server', 'authentication', 'bad_request'),
        fc.integer({ min: 1, max: 20 }),
      ),
      minWaitSeconds: fc.double({ min: 0, max: 30, noNaN: true }),
    }),
    requeues: fc.integer({ min: 0, max: 10_000 }),
    failingForMs: fc.integer({ min: 0, max: 100_000 }),
    otherDeployments: fc.integer({ min: 0, max: 3 }),
    interactive: fc.boolean(),
    shownOutput: fc.boolean(),
    now: fc.integer({ min: 0, max: 2e12 }),
    leftMs: fc.oneof(fc.integer({ min: -1000, max: 5000 }), fc.integer({ min: 0, max: 1e9 })),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    candidates: fc.array(
      fc
        .record({
          model: fc.constantFrom('a', 'b', 'c'),
          after: fc.constantFrom(undefined, 'context_window' as const, 'content_policy' as const),
        })
        .map(({ model, after }) => candidate(model, after)),
      { minLength: 1, maxLength: 5 },
    ),
    hop: fc.nat(4),
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

  it('goes elsewhere rather than wait for an upstream without room for more than two seconds', () => {
    const busy = (changes: Partial<FailureFacts> & { retryAfterSeconds?: number }) =>
      decideAfterFailure(facts({ code: 'upstream_overloaded', candidates: two, ...changes }))
    expect(busy({})).toEqual({ move: 'requeue', delayMs: 125 })
    expect(busy({ retryAfterSeconds: 1 })).toEqual({ move: 'requeue', delayMs: 1125 })
    expect(busy({ retryAfterSeconds: 2 })).toEqual({ move: 'fallback', hop: 1 })
    expect(busy({ failingForMs: 1950 })).toEqual({ move: 'fallback', hop: 1 })
    expect(busy({ failingForMs: 60_000, candidates: alone })).toEqual({ move: 'requeue', delayMs: 125 })
  })

  it('goes to another deployment of the same candidate at once', () => {
    expect(decideAfterFailure(facts({ otherDeployments: 1 }))).toEqual({ move: 'retry', delayMs: 0 })
    expect(decideAfterFailure(facts({ code: 'upstream_overloaded', otherDeployments: 1 }))).toEqual({
      move: 'requeue',
      delayMs: 0,
    })
    expect(decideAfterFailure(facts({ code: 'upstream_authentication', otherDeployments: 1 })).move).toBe('retry')
    expect(decideAfterFailure(facts({ code: 'upstream_invalid_request', otherDeployments: 1 })).move).toBe('fail')
    expect(decideAfterFailure(facts({ otherDeployments: 1, tries: 3 })).move).toBe('fail')
  })

  it('retries what may pass, until the attempts are used up', () => {
    expect(decideAfterFailure(facts({ tries: 2 }))).toEqual({ move: 'retry', delayMs: 250 })
    expect(decideAfterFailure(facts({ tries: 3 }))).toEqual({ move: 'fail' })
    expect(decideAfterFailure(facts({ tries: 3, candidates: two }))).toEqual({ move: 'fallback', hop: 1 })
    expect(decideAfterFailure(facts({ tries: 3, candidates: two, hop: 1 }))).toEqual({ move: 'fail' })
  })

  it('retries each kind of failure as often as the configuration says, even what is not retryable by itself', () => {
    const retries = { attempts: { timeout: 1, content_policy: 2 }, minWaitSeconds: 0 }
    expect(decideAfterFailure(facts({ retries, code: 'upstream_timeout' })).move).toBe('fail')
    expect(decideAfterFailure(facts({ retries, code: 'upstream_error' })).move).toBe('retry')
    expect(decideAfterFailure(facts({ retries, code: 'content_filter' })).move).toBe('retry')
    expect(decideAfterFailure(facts({ retries, code: 'content_filter', tries: 2 })).move).toBe('fail')
    expect(decideAfterFailure(facts({ retries, code: 'content_filter', candidates: two })).move).toBe('fallback')
  })

  it('waits as long as the configuration asks for at least', () => {
    const retries = { attempts: {}, minWaitSeconds: 1 }
    expect(decideAfterFailure(facts({ retries }))).toEqual({ move: 'retry', delayMs: 1000 })
    expect(decideAfterFailure(facts({ retries, tries: 2, candidates: two, failingForMs: 1001 })).move).toBe('fallback')
  })

  it('keeps to Retry-After, and gives up when that is after the deadline', () => {
    const asked = facts({ code: 'upstream_overloaded', retryAfterSeconds: 7 })
    expect(decideAfterFailure(asked)).toEqual({ move: 'requeue', delayMs: 7125 })
    expect(decideAfterFailure({ ...asked, finishBy: asked.now + 6_000 })).toEqual({ move: 'fail' })
    expect(decideAfterFailure({ ...asked, finishBy: asked.now + 6_000, candidates: two }).move).toBe('fallback')
  })

  it('fails at once what no other try would change', () => {
    expect(decideAfterFailure(facts({ code: 'upstream_invalid_request', candidates: two })).move).toBe('fail')
    expect(decideAfterFailure(facts({ code: 'upstream_authentication' })).move).toBe('fail')
  })

  it('leads each kind of failure to the candidates meant for it', () => {
    const candidates = [
      candidate('a'),
      candidate('l', 'context_window'),
      candidate('p', 'content_policy'),
      candidate('b'),
    ]
    const after = (code: ErrorCode) => decideAfterFailure(facts({ code, candidates, tries: 3 }))
    expect(after('context_length_exceeded')).toEqual({ move: 'fallback', hop: 1 })
    expect(after('content_filter')).toEqual({ move: 'fallback', hop: 2 })
    expect(after('upstream_error')).toEqual({ move: 'fallback', hop: 3 })
    expect(after('answer_rejected')).toEqual({ move: 'fallback', hop: 3 })
  })

  it('leaves an open circuit at once, or waits for it where nobody else does', () => {
    const open = (changes: Parameters<typeof facts>[0]) =>
      decideAfterFailure(facts({ code: 'circuit_open', retryAfterSeconds: 20, ...changes }))
    expect(open({ candidates: two })).toEqual({ move: 'fallback', hop: 1 })
    expect(open({})).toEqual({ move: 'requeue', delayMs: 20_125 })
    expect(open({ interactive: true })).toEqual({ move: 'fail' })
    expect(open({ interactive: true, retryAfterSeconds: 8 })).toEqual({ move: 'requeue', delayMs: 8_125 })
  })

  it('waits for one probe after the other for a minute, however often it looks, when somebody waits', () => {
    const looking = (failingForMs: number) =>
      decideAfterFailure(
        facts({
          ...{ code: 'circuit_open', retryAfterSeconds: 0.5, interactive: true },
          ...{ requeues: 50, maxRequeues: 6, failingForMs },
        }),
      )
    expect(looking(10_000)).toEqual({ move: 'requeue', delayMs: 1_000 })
    expect(looking(59_900)).toEqual({ move: 'fail' })
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

  it('never comes back to the same deployment before Retry-After', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decideAfterFailure(given)
        if (!('delayMs' in decision) || (given.otherDeployments ?? 0) > 0) return
        expect(decision.delayMs).toBeGreaterThanOrEqual((given.error.retryAfterSeconds ?? 0) * 1000)
      }),
      { numRuns: 2000 },
    )
  })

  it('never makes a job wait for more than two seconds while it could go elsewhere', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const here = { ...given, candidates: two, hop: 0 }
        const couldGo = decideAfterFailure({ ...here, tries: 1000, maxRequeues: 0 }).move === 'fallback'
        const decision = decideAfterFailure(here)
        if (!couldGo || !('delayMs' in decision) || decision.delayMs === 0) return
        expect(decision.delayMs + (given.failingForMs ?? 0)).toBeLessThanOrEqual(2000)
      }),
      { numRuns: 2000 },
    )
  })

  it('never tries more often than allowed, nor what is not retryable, and only falls forward', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const decision = decideAfterFailure(given)
        const { move } = decision
        const most = Math.max(given.maxAttempts, ...Object.values(given.retries?.attempts ?? {}).map(Number))
        if (move === 'retry') expect(given.tries).toBeLessThan(most)
        if (move === 'requeue') expect(isRetryable(given.error.code)).toBe(true)
        if (move === 'requeue') expect(given.shownOutput && given.error.code !== 'circuit_open').toBe(false)
        if (move === 'fallback') expect(decision.hop).toBeGreaterThan(given.hop)
        if (move === 'fallback') expect(decision.hop).toBeLessThan(given.candidates.length)
      }),
      { numRuns: 2000 },
    )
  })

  it('never retries what is not retryable unless the configuration or another deployment gives a reason', () => {
    fc.assert(
      fc.property(anyFacts, (given) => {
        const { move } = decideAfterFailure({
          ...given,
          otherDeployments: 0,
          retries: { attempts: {}, minWaitSeconds: 0 },
        })
        if (move === 'retry' || move === 'requeue') expect(isRetryable(given.error.code)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })
})
