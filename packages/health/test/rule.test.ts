import { createSystemClock } from '@inferq/runtime'
import { createTestRedis, type TestRedis } from '@inferq/testkit'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type CircuitScripts, loadCircuitScripts } from '../src/circuit-scripts.ts'
import { emptyTally, type Tally } from '../src/tally.ts'
import { rule } from './support.ts'

/** What may happen to a circuit. Tokens are of calls that probe, or believe so. */
type Happening =
  | { readonly kind: 'failure'; readonly token?: string }
  | { readonly kind: 'success'; readonly knew: boolean; readonly token?: string }
  | { readonly kind: 'released'; readonly token: string }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'claim'; readonly token: string }
  | { readonly kind: 'cooldown-ends' }
  | { readonly kind: 'claim-lapses' }

/** The rule once more, as a person would say it. Time is only whether the cooldown, or the claim, is over. */
interface Model {
  failures: number
  calls: number
  failed: number
  /** Undefined: closed. */
  open: { seconds: number; isOver: boolean; openings: number; probe: string | undefined; lapsed: boolean } | undefined
}

const config = { ...rule, allowedFails: 3, cooldownSeconds: 40, failureRate: 0.5, minCalls: 8 }
const closed = (): Model => ({ failures: 0, calls: 0, failed: 0, open: undefined })

function openByFailures(model: Model): void {
  const openings = (model.open?.openings ?? 0) + 1
  const seconds = Math.min(40 * 2 ** (openings - 1), 300)
  model.open = { seconds, isOver: false, openings, probe: undefined, lapsed: false }
}

function happen(model: Model, happening: Happening): Model {
  const { open } = model
  const isProbe = 'token' in happening && happening.token !== undefined && open?.probe === happening.token
  switch (happening.kind) {
    case 'failure':
      if (open !== undefined) {
        if (isProbe) openByFailures(model)
        return model
      }
      model.failures++
      model.calls++
      model.failed++
      if (model.failures >= 3 || (model.calls >= 8 && model.failed / model.calls >= 0.5)) openByFailures(model)
      return model
    case 'success':
      if (isProbe) return { ...closed(), calls: 1 }
      if (open !== undefined) return model
      model.calls++
      if (happening.knew) model.failures = 0
      return model
    case 'released':
      if (open !== undefined && isProbe) open.probe = undefined
      return model
    case 'wait': {
      const openings = open?.openings ?? 0
      const isLonger = open === undefined || open.isOver || open.seconds < happening.seconds
      if (isLonger)
        model.open = { seconds: happening.seconds, isOver: false, openings, probe: undefined, lapsed: false }
      return model
    }
    case 'claim':
      if (open?.isOver && (open.probe === undefined || open.lapsed || open.probe === happening.token)) {
        open.probe = happening.token
        open.lapsed = false
      }
      return model
    case 'cooldown-ends':
      if (open !== undefined) open.isOver = true
      return model
    case 'claim-lapses':
      if (open !== undefined) open.lapsed = true
      return model
    default:
      return happening satisfies never
  }
}

let server: TestRedis
let scripts: CircuitScripts
let round = 0
beforeAll(async () => {
  server = createTestRedis()
  scripts = loadCircuitScripts(await server.connect(), server.keys, createSystemClock())
})
afterAll(() => server.close())

const token = fc.constantFrom('x', 'y')
const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ kind: 'failure' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('failure' as const), token }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('success' as const), knew: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('success' as const), knew: fc.constant(true), token }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('released' as const), token }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.constantFrom(20, 100, 1_000) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('claim' as const), token }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'cooldown-ends' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'claim-lapses' as const }) },
)

const failure: Happening = { kind: 'failure' }
const halfOpen: readonly Happening[] = [failure, failure, failure, { kind: 'cooldown-ends' }]
const claimed: readonly Happening[] = [...halfOpen, { kind: 'claim', token: 'x' }]
const closedAgain: readonly Happening[] = [...claimed, { kind: 'success', knew: true, token: 'x' }]
/** From any state, so that the rarer ones are seen as often as the others. */
const story = fc
  .tuple(fc.constantFrom([], halfOpen, claimed, closedAgain), fc.array(happening, { minLength: 1, maxLength: 20 }))
  .map(([before, after]) => [...before, ...after])

it('moves a circuit as the rule says, whatever happens in whatever order', async () => {
  const redis = await server.connect()
  const circuits = server.keys.circuits()

  const enact = async (id: string, one: Happening): Promise<void> => {
    const tell = (tally: Partial<Tally>) => scripts.tell(id, { ...emptyTally, ...tally }, config)
    const probe = (outcome: 'succeeded' | 'failed' | 'released') =>
      'token' in one && one.token !== undefined ? { probe: { token: one.token, outcome } } : {}
    switch (one.kind) {
      case 'failure':
        await tell({ calls: 1, failures: 1, streak: 1, reason: 'upstream_error', ...probe('failed') })
        return
      case 'success':
        await tell({ calls: 1, cleared: one.knew, ...probe('succeeded') })
        return
      case 'released':
        await tell(probe('released'))
        return
      case 'wait':
        await tell({ wait: { until: Date.now() + one.seconds * 1_000, reason: 'rate_limit_exceeded' } })
        return
      case 'claim':
        await scripts.claim(id, one.token, 60_000, false)
        return
      case 'cooldown-ends':
      case 'claim-lapses': {
        const field = one.kind === 'cooldown-ends' ? /"retryAt":\d+/ : /"probeUntil":\d+/
        const text = await redis.hget(circuits, id)
        const name = one.kind === 'cooldown-ends' ? 'retryAt' : 'probeUntil'
        if (text !== null) await redis.hset(circuits, id, text.replace(field, `"${name}":${Date.now() - 1}`))
        return
      }
      default:
        one satisfies never
    }
  }

  await fc.assert(
    fc.asyncProperty(story, async (happenings) => {
      const id = `deployment-${round++}`
      let model = closed()
      for (const one of happenings) {
        await enact(id, one)
        model = happen(model, one)
        const text = await redis.hget(circuits, id)
        const record: Record<string, unknown> = text === null ? {} : JSON.parse(text.replace(/^\d+ /, ''))
        const { failures = 0, retryAt, probe } = record
        expect(retryAt !== undefined).toBe(model.open !== undefined)
        if (model.open === undefined) {
          expect(failures).toBe(model.failures)
          continue
        }
        expect(probe).toBe(model.open.probe)
        const leftMs = Number(retryAt) - Date.now()
        if (model.open.isOver) expect(leftMs).toBeLessThanOrEqual(0)
        else expect(Math.abs(leftMs - model.open.seconds * 1_000)).toBeLessThan(9_000)
      }
    }),
    { numRuns: 300 },
  )
}, 120_000)
