import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decideModel,
  firstTurn,
  type ModelDemand,
  type ModelQuestion,
  type Turn,
} from '../../src/sticky/decide-model.ts'
import { type Arrival, simulateOneGpu } from './one-gpu.ts'

const model = (name: string, more: Partial<ModelDemand> = {}): ModelDemand => ({
  ...{ name, waiting: 0, oldestWaitSeconds: 0, inFlight: 0, meanSeconds: 1, swapCostSeconds: 6 },
  ...{ isServedElsewhere: false, isClaimed: false },
  ...more,
})

const serving = (name: string, forSeconds: number): Turn => ({ ...firstTurn(-forSeconds * 1000), serving: name })

const ask = (models: readonly ModelDemand[], more: Partial<ModelQuestion> = {}) =>
  decideModel({
    ...{ nowMs: 0, turn: serving('a', 1_000), models, loaded: new Set(['a']), fits: (names) => names.length <= 1 },
    ...{ dwellSeconds: undefined, ageingSeconds: 60 },
    ...more,
  })

/** Who has been chosen, and why. */
const chosen = (...question: Parameters<typeof ask>) => {
  const { chosen: one } = ask(...question)
  return one === undefined ? 'nobody' : `${one.to}: ${one.why}`
}
const open = (...question: Parameters<typeof ask>) => [...ask(...question).open].join()

describe('the first turn', () => {
  const turn = firstTurn(0)

  it('goes to a model that has work, rather one that is loaded, and begins at once', () => {
    const busy = [model('a'), model('b', { waiting: 1 }), model('c', { waiting: 1, oldestWaitSeconds: 9 })]
    expect(chosen(busy, { turn })).toBe('c: first')
    expect(chosen(busy, { turn, loaded: new Set(['b']) })).toBe('b: first')
    expect(open(busy, { turn })).toBe('c')
    expect(chosen([model('a'), model('b')], { turn, loaded: new Set(['b']) })).toBe('b: first')
  })

  it('waits for jobs that run, when turns begin in the middle of it', () => {
    const models = [model('a', { inFlight: 1, waiting: 5 }), model('b', { inFlight: 1 })]
    expect(ask(models, { turn })).toMatchObject({ open: new Set(), turn: { serving: null } })
  })
})

describe('a model that has the turn', () => {
  it('keeps it while it has work that is worth as much', () => {
    const both = { waiting: 30, oldestWaitSeconds: 20 }
    expect(chosen([model('a', both), model('b', both)])).toBe('nobody')
    expect(open([model('a', both), model('b', both)])).toBe('a')
  })

  it('keeps it for its dwell, whatever waits', () => {
    const models = [model('a', { inFlight: 1 }), model('b', { waiting: 100, oldestWaitSeconds: 500 })]
    expect(chosen(models, { turn: serving('a', 29) })).toBe('nobody')
    expect(chosen(models, { turn: serving('a', 30) })).toBe('b: aged')
    expect(chosen(models, { turn: serving('a', 10), dwellSeconds: 10 })).toBe('b: aged')
  })

  it('is not kept for longer than a job may wait', () => {
    const models = [model('a', { inFlight: 1 }), model('b', { waiting: 1, oldestWaitSeconds: 20 })]
    expect(chosen(models, { turn: serving('a', 19), ageingSeconds: 20 })).toBe('nobody')
    expect(chosen(models, { turn: serving('a', 20), ageingSeconds: 20 })).toBe('b: aged')
  })

  it('loses it when waiting costs more than loading', () => {
    const waiting = (count: number, oldestWaitSeconds: number) => [
      model('a', { inFlight: 4 }),
      model('b', { waiting: count, oldestWaitSeconds }),
    ]
    expect(chosen(waiting(3, 12))).toBe('nobody')
    expect(chosen(waiting(4, 12))).toBe('b: due')
    expect(chosen(waiting(1, 36))).toBe('nobody')
    expect(chosen(waiting(1, 37))).toBe('b: due')
  })

  it('loses it to a single job that has waited for too long, however much work it has', () => {
    const busy = model('a', { waiting: 100_000, oldestWaitSeconds: 50, inFlight: 4 })
    const lone = (oldestWaitSeconds: number) => [
      busy,
      model('b', { waiting: 1, oldestWaitSeconds, swapCostSeconds: 10 }),
    ]
    expect(chosen(lone(59))).toBe('nobody')
    expect(chosen(lone(60))).toBe('b: aged')
  })

  it('gives it up at once without work, but not for nothing', () => {
    expect(chosen([model('a'), model('b', { waiting: 1 })], { turn: serving('a', 0) })).toBe('b: idle')
    expect(chosen([model('a'), model('b')])).toBe('nobody')
  })

  it('does not give it up when idle for a job that another worker will take, until that has waited', () => {
    const elsewhere = (oldestWaitSeconds: number) => [
      model('a'),
      model('b', { waiting: 2, oldestWaitSeconds, isServedElsewhere: true }),
    ]
    expect(chosen(elsewhere(2))).toBe('nobody')
    expect(chosen(elsewhere(3))).toBe('b: idle')
  })

  it('is not given up for what another worker has just chosen', () => {
    const aged = { waiting: 9, oldestWaitSeconds: 90 }
    expect(chosen([model('a', { inFlight: 1 }), model('b', { ...aged, isClaimed: true })])).toBe('nobody')
    expect(chosen([model('a', { inFlight: 1 }), model('b', aged)])).toBe('b: aged')
  })

  it('among two that have waited too long gives it to who has not had it for longer', () => {
    const turn = {
      ...serving('a', 100),
      hadAtMs: new Map([
        ['b', -100_000],
        ['c', -200_000],
      ]),
    }
    const models = [
      model('a', { inFlight: 1 }),
      model('b', { waiting: 9, oldestWaitSeconds: 500 }),
      model('c', { waiting: 1, oldestWaitSeconds: 70 }),
    ]
    expect(chosen(models, { turn })).toBe('c: aged')
    expect(chosen([...models, model('d', { waiting: 1, oldestWaitSeconds: 61 })], { turn })).toBe('d: aged')
  })
})

describe('a change of turns', () => {
  const turn = { ...serving('a', 40), next: 'b' }
  const next = model('b', { waiting: 1, oldestWaitSeconds: 70 })

  it('takes nothing new until what runs has ended', () => {
    expect(open([model('a', { inFlight: 1, waiting: 5 }), next], { turn })).toBe('')
    const begun = ask([model('a', { waiting: 5 }), next], { turn })
    expect(begun).toMatchObject({ open: new Set(['b']), turn: { serving: 'b', sinceMs: 0, next: null } })
    expect(begun.turn.hadAtMs.get('a')).toBe(0)
  })

  it('takes nothing at the step that decides it, for a job may just be on its way', () => {
    expect(ask([model('a'), next])).toMatchObject({ open: new Set(), turn: { serving: 'a', next: 'b' } })
  })

  it('is called off when there is nothing to do for the next one any more', () => {
    const models = [model('a', { inFlight: 1, waiting: 5 }), model('b')]
    expect(ask(models, { turn })).toMatchObject({ open: new Set(['a']), turn: { serving: 'a', next: null } })
    const both = ask([model('a', { inFlight: 1 }), next], { turn, fits: () => true })
    expect(both).toMatchObject({ open: new Set(['a', 'b']), turn: { serving: 'a', next: null } })
  })

  it('does not begin to load a third meanwhile', () => {
    const fits = (names: readonly string[]) => names.length === 1 || names.toSorted().join() === 'b,c'
    const others = [next, model('c', { waiting: 1 })]
    expect(open([model('a', { inFlight: 1 }), ...others], { turn, fits })).toBe('')
    expect(open([model('a'), ...others], { turn, fits })).toBe('b,c')
  })
})

describe('models that fit together', () => {
  const fits = (names: readonly string[]) => names.length <= 2

  it('are open together, and nobody has to make room', () => {
    const models = [model('a', { inFlight: 1 }), model('b', { waiting: 1, oldestWaitSeconds: 500 })]
    expect(open(models, { fits })).toBe('a,b')
    expect(chosen(models, { fits })).toBe('nobody')
  })

  it('that have work come before those that are loaded and have none', () => {
    const models = [model('a', { inFlight: 1 }), model('b'), model('c', { waiting: 1 })]
    expect(open(models, { fits, loaded: new Set(['a', 'b']) })).toBe('a,c')
  })

  it('stay open while another makes room', () => {
    const turn = { ...serving('a', 40), next: 'c' }
    const models = [model('a', { inFlight: 1 }), model('b', { inFlight: 1 }), model('c', { waiting: 1 })]
    const loaded = new Set(['b'])
    expect(open(models, { turn, fits, loaded })).toBe('b')
    expect(open([model('a'), ...models.slice(1)], { turn, fits, loaded })).toBe('c,b')
  })
})

const alternating = (count: number, everySeconds: number): Arrival[] =>
  Array.from({ length: count }, (_, index) => ({ atSeconds: index * everySeconds, model: index % 2 === 0 ? 'a' : 'b' }))
const twoModels = ['a', 'b'].map((name) => ({ name, slots: 4, jobSeconds: 2, swapCostSeconds: 6 }))
const p95 = (waits: readonly { seconds: number }[]) =>
  waits.map(({ seconds }) => seconds).toSorted((x, y) => x - y)[Math.floor(waits.length * 0.95)] ?? 0

describe('on one GPU, in virtual time', () => {
  it.each([
    ['all at once', alternating(400, 0.001)],
    ['as they come', alternating(400, 0.6)],
  ])('swaps no fifth as often as first come, first served, and nobody waits longer: %s', (_, arrivals) => {
    const fifo = simulateOneGpu({ models: twoModels, arrivals, ageingSeconds: 60, policy: 'fifo' })
    const turns = simulateOneGpu({ models: twoModels, arrivals, ageingSeconds: 60 })
    expect([fifo.waits.length, turns.waits.length]).toEqual([400, 400])
    expect(turns.swaps).toBeLessThanOrEqual(fifo.swaps / 5)
    expect(p95(turns.waits)).toBeLessThanOrEqual(p95(fifo.waits))
  })

  it('serves a lone job of the other model although the first never runs dry', () => {
    const flood = Array.from({ length: 3_000 }, () => ({ atSeconds: 0, model: 'a' }))
    const result = simulateOneGpu({
      ...{ models: twoModels, ageingSeconds: 60 },
      arrivals: [...flood, { atSeconds: 100, model: 'b' }],
    })
    expect(result).toMatchObject({ swaps: 2, waits: { length: 3_001 } })
    const lone = result.waits.find(({ model: name }) => name === 'b')?.seconds
    expect(lone).toBeGreaterThan(60)
    // The jobs that ran, and the looks.
    expect(lone).toBeLessThan(60 + 2 + 2)
  })

  it('serves everyone, never leaves work lying beside an idle GPU, and nobody beyond the cap for longer than the others’ turns', () => {
    const modelOf = fc.record({
      slots: fc.integer({ min: 1, max: 4 }),
      jobSeconds: fc.double({ min: 0.2, max: 12, noNaN: true }),
      swapCostSeconds: fc.double({ min: 0, max: 10, noNaN: true }),
    })
    const scene = fc.record({
      models: fc.array(modelOf, { minLength: 2, maxLength: 4 }),
      arrivals: fc.array(fc.record({ at: fc.double({ min: 0, max: 200, noNaN: true }), of: fc.nat(3) }), {
        maxLength: 120,
      }),
      ageingSeconds: fc.integer({ min: 5, max: 60 }),
    })
    fc.assert(
      fc.property(scene, ({ models: drawn, arrivals: draws, ageingSeconds }) => {
        const models = drawn.map((one, index) => ({ name: `m${index}`, ...one }))
        const arrivals = draws.map(({ at, of }) => ({ atSeconds: at, model: `m${of % models.length}` }))
        const result = simulateOneGpu({ models, arrivals, ageingSeconds })
        expect(result.waits).toHaveLength(arrivals.length)
        // A look, a step that decides and one that begins.
        expect(result.idleSeconds).toBeLessThan(2)
        const longest = Math.max(...models.map(({ jobSeconds, swapCostSeconds }) => jobSeconds + swapCostSeconds))
        const dwell = Math.min(ageingSeconds, Math.max(...models.map(({ swapCostSeconds }) => 5 * swapCostSeconds)))
        expect(result.overdueSeconds).toBeLessThanOrEqual(models.length * (dwell + 2 * longest + 2))
      }),
      { numRuns: 150 },
    )
  })
})
