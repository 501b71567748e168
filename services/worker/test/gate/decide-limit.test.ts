import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decideLimit, firstState, type GateState, type GateView } from '../../src/gate/decide-limit.ts'

const free = { waiting: 0, running: 16, kvUsage: 0.2 }

function view(overrides: Partial<GateView> = {}): GateView {
  return {
    ...{ nowMs: 60_000, configured: 128, inFlight: 16, hasBacklog: true, load: free, rejections: 0, preemptions: 0 },
    ...{ ended: 100, growth: { mean: 1, peak: 1, isKnown: true } },
    ...overrides,
  }
}

/** Steady, at this limit. */
function steady(limit: number, overrides: Partial<GateState> = {}): GateState {
  return { ...firstState(128, true), limit, phase: 'steady', everRead: true, ...overrides }
}

const anyView = fc.record<GateView>({
  nowMs: fc.constant(0),
  configured: fc.integer({ min: 1, max: 300 }),
  inFlight: fc.nat(300),
  hasBacklog: fc.boolean(),
  load: fc.oneof(
    fc.constantFrom('none' as const, 'unreadable' as const),
    fc.record({
      waiting: fc.nat(20),
      running: fc.nat(300),
      kvUsage: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    }),
  ),
  rejections: fc.nat(3),
  preemptions: fc.nat(3),
  ended: fc.nat(50),
  growth: fc.record({
    mean: fc.double({ min: 0.1, max: 5, noNaN: true }),
    peak: fc.double({ min: 0.1, max: 9, noNaN: true }),
    isKnown: fc.boolean(),
  }),
})

/** The states before and after each look, a second apart. */
function looks(tells: boolean, views: readonly GateView[]): { before: GateState; view: GateView; after: GateState }[] {
  let state = firstState(views[0]?.configured ?? 1, tells)
  return views.map((one, second) => {
    const now = { ...one, nowMs: second * 1_000 }
    const before = state
    state = decideLimit(before, now)
    return { before, view: now, after: state }
  })
}

describe('a slow start', () => {
  it('waits for the first answers to tell how long they are, and then goes on', () => {
    const start = firstState(128, true)
    const growth = { mean: 9, peak: 20, isKnown: false }
    const waits = decideLimit(start, view({ growth, ended: 5 }))
    expect(waits).toMatchObject({ limit: 16, phase: 'slow_start', reason: 'tokens' })
    expect(decideLimit(waits, view())).toMatchObject({ limit: 32, phase: 'slow_start', reason: 'room' })
    expect(decideLimit(waits, view({ growth: { ...growth, isKnown: true } }))).toMatchObject({ phase: 'steady' })
  })
})

describe('a limit', () => {
  it('stays between one and what is configured', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(anyView, { minLength: 1, maxLength: 40 }), (tells, views) => {
        for (const { after, view: now } of looks(tells, views)) {
          expect(Number.isInteger(after.limit)).toBe(true)
          expect(after.limit).toBeGreaterThanOrEqual(1)
          expect(after.limit).toBeLessThanOrEqual(now.configured)
        }
      }),
    )
  })

  it('is never raised while the backend is short of something, or nobody waits', () => {
    fc.assert(
      fc.property(fc.array(anyView, { minLength: 1, maxLength: 40 }), (views) => {
        for (const { before, after, view: now } of looks(true, views)) {
          const { load } = now
          // Until it is clear whether it ever tells.
          if (load === 'unreadable' && !before.everRead) continue
          const isFull = typeof load === 'object' && (load.waiting >= 2 || (load.kvUsage ?? 0) >= 0.9)
          const isHeld = isFull || now.rejections > 0 || now.preemptions > 0 || load === 'unreadable'
          if (isHeld || (!now.hasBacklog && typeof load === 'object'))
            expect(after.limit).toBeLessThanOrEqual(before.limit)
        }
      }),
    )
  })

  it('is cut once in a cooldown, to a part of what ran, and not again before what ran has ended', () => {
    const views = fc.array(
      fc.record({ inFlight: fc.nat(200), preemptions: fc.nat(1), rejections: fc.integer({ min: 0, max: 9 }) }),
      {
        maxLength: 40,
      },
    )
    fc.assert(
      fc.property(views, (troubles) => {
        let cutAt = Number.NEGATIVE_INFINITY
        for (const { before, view: now, after } of looks(
          true,
          troubles.map((trouble) => view(trouble)),
        )) {
          if (after.limit === before.limit) continue
          if (now.rejections === 0 && now.preemptions === 0) {
            expect(after.limit).toBeGreaterThan(before.limit)
            continue
          }
          expect(now.nowMs - cutAt).toBeGreaterThanOrEqual(5_000)
          expect(now.inFlight).toBeLessThanOrEqual(before.limit)
          const part = now.rejections > 0 ? 0.7 : 0.8
          expect(after.limit).toBe(Math.max(1, Math.floor(part * now.inFlight)))
          cutAt = now.nowMs
        }
      }),
    )
  })
})

describe('a backend that tells its load', () => {
  it('doubles from 16 while it has room, until it has not', () => {
    let state = firstState(128, true)
    expect(state).toMatchObject({ limit: 16, reason: 'start' })
    for (const limit of [32, 64, 128]) {
      state = decideLimit(state, view({ inFlight: state.limit, load: { ...free, running: state.limit, kvUsage: 0.1 } }))
      expect(state.limit).toBe(limit)
    }
    state = decideLimit(state, view({ inFlight: 128, preemptions: 1 }))
    expect(state).toMatchObject({ limit: 102, reason: 'preempted', phase: 'steady' })
    expect(decideLimit(state, view({ inFlight: 102, load: { ...free, running: 102 } })).limit).toBe(108)
  })

  it.each([
    ['nobody waits', { hasBacklog: false }, 'demand'],
    ['slots are free', { inFlight: 4 }, 'demand'],
    ['requests wait at the backend', { load: { ...free, waiting: 2 } }, 'backend_queue'],
    ['the cache is nearly full', { load: { ...free, kvUsage: 0.91 } }, 'tokens'],
    [
      'those that run will fill the cache',
      { load: { ...free, kvUsage: 0.5 }, growth: { mean: 1.8, peak: 4, isKnown: true } },
      'tokens',
    ],
    ['no job has ended yet', { ended: 0 }, 'tokens'],
    ['its load cannot be read', { load: 'unreadable' }, 'metrics_unreadable'],
  ] as const)('is not given more while %s', (_, overrides, reason) => {
    expect(decideLimit(steady(16), view(overrides))).toMatchObject({ limit: 16, reason })
  })

  it('gives back what waits there beyond two, at the second look, in proportion to what is this worker’s', () => {
    const load = { waiting: 22, running: 58, kvUsage: 0.3 }
    const first = decideLimit(steady(40), view({ inFlight: 40, load }))
    expect(first).toMatchObject({ limit: 40, reason: 'backend_queue' })
    expect(decideLimit(first, view({ inFlight: 40, load }))).toMatchObject({ limit: 30, reason: 'backend_queue' })
  })

  it('is brought down by as much as its cache is too full', () => {
    const load = { ...free, kvUsage: 0.96 }
    expect(decideLimit(steady(100), view({ inFlight: 100, load }))).toMatchObject({ limit: 93, reason: 'kv_full' })
  })

  it('begins anew after a minute with little to do', () => {
    let state = steady(100)
    for (let second = 0; second <= 61; second++) {
      state = decideLimit(state, view({ nowMs: second * 1_000, inFlight: 3, hasBacklog: false }))
    }
    expect(state).toMatchObject({ limit: 16, phase: 'slow_start', reason: 'unused' })
  })

  it('that never tells it is served up to what is configured, and cut when it refuses', () => {
    let state = firstState(128, true)
    for (let look = 0; look < 3; look++) state = decideLimit(state, view({ load: 'unreadable' }))
    expect(state).toMatchObject({ limit: 128, reason: 'metrics_unreadable' })
    state = decideLimit(state, view({ load: 'unreadable', inFlight: 100, rejections: 2 }))
    expect(state).toMatchObject({ limit: 70, reason: 'rejected' })
    state = decideLimit(state, view({ load: 'unreadable', inFlight: 70 }))
    expect(state).toMatchObject({ limit: 74, reason: 'room' })
    expect(decideLimit(state, view({ load: 'unreadable', inFlight: 1 }))).toMatchObject({
      limit: 74,
      reason: 'metrics_unreadable',
    })
  })
})

describe('a backend that tells nothing', () => {
  it('begins at what is configured, is cut for a refusal, and comes back', () => {
    let state = firstState(64, false)
    expect(state).toMatchObject({ limit: 64, reason: 'no_metrics' })
    const now = { configured: 64, load: 'none', inFlight: 60 } as const
    state = decideLimit(state, view({ ...now, rejections: 1 }))
    expect(state).toMatchObject({ limit: 42, reason: 'rejected' })
    for (let look = 0; look < 30; look++) state = decideLimit(state, view({ ...now, inFlight: state.limit }))
    expect(state).toMatchObject({ limit: 64, reason: 'no_metrics' })
  })
})
