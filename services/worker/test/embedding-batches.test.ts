import { setImmediate as nextTurn } from 'node:timers/promises'
import type { EmbeddingCaps } from '@inferq/config'
import { InferqError } from '@inferq/contracts'
import { createProvider, type EmbeddingOutcome, type Provider } from '@inferq/providers'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { gatherEmbeddings } from '../src/embedding-batches/gather-embeddings.ts'
import type { GatherTimes } from '../src/embedding-batches/line.ts'

const bad = 'unspeakable'
const hour = 3_600_000
const usual: EmbeddingCaps = { maxItems: 64, maxTokens: 100_000, maxCalls: 4 }

let simulator: Simulator
let provider: Provider

beforeEach(async () => {
  simulator = createSimulator({ recordBodies: true, models: { e: { embedding: { rejectContaining: bad } } } })
  await simulator.start()
  const timeouts = { connectMs: 30_000, firstTokenMs: 60_000, idleMs: 60_000 }
  const baseUrl = `${simulator.url}/v1`
  provider = createProvider({
    id: 'e',
    provider: 'vllm',
    wire: 'vllm',
    model: 'e',
    baseUrl,
    apiKey: 'sk-test',
    timeouts,
  })
})
afterEach(async () => {
  await provider.close()
  await simulator.stop()
})

const gather = (caps: Partial<EmbeddingCaps> = {}, times?: GatherTimes): Provider =>
  gatherEmbeddings(provider, { caps: { ...usual, ...caps }, ...(times === undefined ? {} : { times }) })
const embed = (from: Provider, request: Record<string, unknown>, signal = new AbortController().signal) =>
  from.embed({ request: { model: 'public', dimensions: 8, ...request }, signal, requestId: 'r' })
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error: unknown) => error,
  )
const codeOf = async (call: Promise<unknown>) => {
  const error = await errorOf(call)
  return error instanceof InferqError ? error.code : error
}
const requests = () => simulator.stats({ requests: true }).requests ?? []
const inputsSent = () => requests().map(({ body }) => (JSON.parse(body ?? '{}') as { input: unknown }).input)
const embeddings = ({ result }: EmbeddingOutcome) => result['data']
const tokens = (outcomes: readonly EmbeddingOutcome[]) =>
  outcomes.reduce((sum, { usage }) => sum + usage.promptTokens, 0)
const texts = (count: number) => Array.from({ length: count }, (_, index) => `text number ${index}`)

describe('calls for embeddings', () => {
  it('each get exactly what they would have got alone, whatever they go with', { timeout: 120_000 }, async () => {
    const word = fc.constantFrom('river', 'hill', 'lake', 'a longer line of words', '河流', bad)
    const input = fc.oneof(
      { weight: 5, arbitrary: fc.array(word, { minLength: 1, maxLength: 7 }) },
      { weight: 2, arbitrary: word },
      {
        weight: 1,
        arbitrary: fc.array(fc.array(fc.nat(999), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
      },
      { weight: 1, arbitrary: fc.array(fc.nat(999), { minLength: 1, maxLength: 4 }) },
    )
    const job = fc.record({
      request: fc.record(
        {
          input,
          dimensions: fc.constantFrom(4, 8),
          encoding_format: fc.constantFrom('float', 'base64'),
          tags: fc.constant(['x']),
        },
        { requiredKeys: ['input'] },
      ),
      stopped: fc.nat(9).map((one) => one < 2),
      later: fc.boolean(),
    })
    const caps = fc.record({ maxItems: fc.integer({ min: 1, max: 9 }), maxTokens: fc.integer({ min: 1, max: 40 }) })
    const run = fc.asyncProperty(fc.array(job, { minLength: 1, maxLength: 12 }), caps, async (jobs, limits) => {
      const gathered = gather(limits)
      const calls: Promise<unknown>[] = []
      for (const { request, stopped, later } of jobs) {
        if (later) await nextTurn()
        const controller = new AbortController()
        const call = embed(gathered, request, controller.signal).then(embeddings, (error: unknown) => error)
        if (stopped) controller.abort('stopped')
        calls.push(call)
      }
      for (const [place, { request, stopped }] of jobs.entries()) {
        const got = await calls[place]
        const alone = await embed(provider, request).then(embeddings, (error: unknown) => error)
        if (stopped && got === 'stopped') continue
        if (alone instanceof InferqError) expect((got as InferqError).detail).toEqual(alone.detail)
        else expect(got).toEqual(alone)
      }
    })
    await fc.assert(run, { numRuns: 60 })
  })

  it('that come together go together, and share out the tokens exactly', async () => {
    const gathered = gather()
    const inputs = ['short', ['a much longer text than the first one', 'and another'], 'x', 'y']
    const outcomes = await Promise.all(inputs.map((input) => embed(gathered, { input })))
    const { embeddingCalls, embeddingItems, promptTokens } = simulator.stats().total
    expect([embeddingCalls, embeddingItems]).toEqual([1, 5])
    expect(tokens(outcomes)).toBe(promptTokens)
    expect(outcomes[1]?.usage.promptTokens).toBeGreaterThan(outcomes[0]?.usage.promptTokens ?? 0)
    for (const { usage, result } of outcomes) {
      expect(usage.estimated).toBe(true)
      expect(result['usage']).toEqual({ prompt_tokens: usage.promptTokens, total_tokens: usage.promptTokens })
    }
  })

  it('that meet nobody go as they came, with the usage as the upstream says it', async () => {
    const { usage } = await embed(gather(), { input: 'alone', user: 'someone' })
    expect(usage).not.toHaveProperty('estimated')
    expect(inputsSent()).toEqual(['alone'])
    expect(requests()[0]?.body).toContain('someone')
  })

  it('that want something else, or come from another user, do not go together', async () => {
    const gathered = gather()
    const wishes = [
      { dimensions: 4 },
      { dimensions: 8 },
      { encoding_format: 'base64' },
      { user: 'one' },
      { user: 'two' },
      // With texts in one list many servers refuse it.
      { dimensions: 8, input: [1, 2, 3] },
    ]
    await Promise.all(wishes.map((wish) => embed(gathered, { input: 'same', ...wish })))
    expect(requests()).toHaveLength(wishes.length)
  })

  it('go together whoever asks, where that makes no difference', async () => {
    const gathered = gatherEmbeddings(provider, { caps: usual, ignoredFields: ['user'] })
    await Promise.all(['one', 'two'].map((user) => embed(gathered, { input: user, user })))
    expect(requests()).toHaveLength(1)
    expect(requests()[0]?.body).not.toContain('user')
  })

  it('over the caps are cut, and put together again', async () => {
    const input = texts(23)
    const whole = await embed(gather({ maxItems: 5 }), { input })
    const { embeddingCalls, promptTokens } = simulator.stats().total
    expect(embeddingCalls).toBe(5)
    expect(whole.usage).toEqual({ promptTokens, completionTokens: 0 })
    expect(embeddings(whole)).toEqual(embeddings(await embed(provider, { input })))
  })

  it('wait for a call to end when there are enough, but not for one that hangs', async () => {
    simulator.script('e', { next: [{ hang: 'before-headers' }] })
    const gathered = gather({ maxCalls: 1 }, { lingerMs: 0, holdMs: 20 })
    const controller = new AbortController()
    const hanging = codeOf(embed(gathered, { input: 'hangs' }, controller.signal))
    await until(() => requests().length === 1)
    await Promise.all(texts(3).map((input) => embed(gathered, { input })))
    expect(inputsSent().slice(1)).toEqual([texts(3)])
    controller.abort('stopped')
    expect(await hanging).toBe('stopped')
  })
})

describe('a bad input', () => {
  it.each([2, 5, 32, 64])('among %i calls fails alone, after few calls more', async (count) => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(count - 1), { minLength: 1, maxLength: 3 }), async (places) => {
        simulator.reset()
        const gathered = gather()
        const inputs = texts(count).map((text, index) => (places.includes(index) ? `${text} ${bad}` : text))
        const results = await Promise.all(inputs.map((input) => codeOf(embed(gathered, { input }))))
        const expected = inputs.map((_, index) => (places.includes(index) ? 'upstream_invalid_request' : 'none'))
        expect(results).toEqual(expected)
        const most = 1 + places.length * 2 * Math.ceil(Math.log2(count))
        expect(simulator.stats().total.embeddingCalls).toBeLessThanOrEqual(most)
      }),
      { numRuns: 6 },
    )
  })

  it('is not looked for when the upstream names a field that all share', async () => {
    const gathered = gather()
    const calls = texts(8).map((input) => codeOf(embed(gathered, { input, dimensions: 20_000 })))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['upstream_invalid_request']))
    expect(requests()).toHaveLength(1)
  })

  it('is not looked for when there is only too much for one call, and all succeed', async () => {
    simulator.script('e', { embedding: { maxItems: 3 } })
    const gathered = gather()
    const calls = texts(8).map((input) => codeOf(embed(gathered, { input })))
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['none']))
  })
})

describe('a failure of the upstream', () => {
  it.each([
    [429, 'rate_limit_exceeded'],
    [503, 'upstream_overloaded'],
    [500, 'upstream_error'],
  ])('with status %i is one error of all, after one call, without words of others', async (status, code) => {
    simulator.script('e', { fault: { status, message: 'cannot embed the secret text' } })
    const gathered = gather()
    const errors = await Promise.all(texts(6).map((input) => errorOf(embed(gathered, { input }))))
    expect(new Set(errors).size).toBe(1)
    expect((errors[0] as InferqError).code).toBe(code)
    expect((errors[0] as InferqError).message.includes('secret')).toBe(code !== 'upstream_error')
    expect(requests()).toHaveLength(1)
  })
})

describe('a call that is stopped', () => {
  const patient: GatherTimes = { lingerMs: hour, holdMs: hour }

  it('while it waits is taken out', async () => {
    simulator.script('e', { next: [{ hang: 'before-headers' }] })
    const gathered = gather({ maxItems: 2, maxCalls: 1 }, patient)
    const [first, second] = [new AbortController(), new AbortController()]
    const hanging = codeOf(embed(gathered, { input: 'hangs' }, first.signal))
    await until(() => requests().length === 1)
    const stopped = codeOf(embed(gathered, { input: 'stopped' }, second.signal))
    const left = ['left', 'over'].map((input) => embed(gathered, { input }))
    second.abort('no more')
    expect(await stopped).toBe('no more')
    // The last one who waits for a call ends it.
    first.abort('nor this')
    expect(await hanging).toBe('nor this')
    await Promise.all(left)
    expect(inputsSent().slice(1)).toEqual([['left', 'over']])
    await until(() => simulator.stats().total.aborted === 1)
  })

  it('under way leaves the others theirs, and its share of the tokens to nobody', async () => {
    simulator.script('e', { embedding: { fixedMs: 150 } })
    const gathered = gather()
    const controller = new AbortController()
    const stopped = codeOf(embed(gathered, { input: 'a text of some length that is not wanted' }, controller.signal))
    const left = embed(gathered, { input: 'left' })
    await until(() => simulator.stats().total.running === 1)
    controller.abort('no more')
    expect(await stopped).toBe('no more')
    const outcome = await left
    const { promptTokens, aborted, embeddingCalls } = simulator.stats().total
    expect([embeddingCalls, aborted]).toEqual([1, 0])
    expect(outcome.usage.promptTokens).toBeLessThan(promptTokens / 2)
    expect(embeddings(outcome)).toEqual(embeddings(await embed(provider, { input: 'left' })))
  })

  it('before it begins is not made', async () => {
    expect(await codeOf(embed(gather(), { input: 'never' }, AbortSignal.abort('early')))).toBe('early')
    expect(requests()).toHaveLength(0)
  })
})

it('calls that wait when it is closed are told so', async () => {
  simulator.script('e', { hang: 'before-headers' })
  const gathered = gather({ maxCalls: 1 }, { lingerMs: hour, holdMs: hour })
  const hanging = codeOf(embed(gathered, { input: 'hangs' }))
  await until(() => requests().length === 1)
  const waiting = codeOf(embed(gathered, { input: 'waits' }))
  await gathered.close()
  expect([await hanging, await waiting]).toEqual(['upstream_interrupted', 'upstream_interrupted'])
})
