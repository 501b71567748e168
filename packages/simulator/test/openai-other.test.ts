import { describe, expect, it } from 'vitest'
import { embeddingCostMs } from '../src/embeddings.ts'
import { call, events, startSimulator } from './support.ts'

interface Embeddings {
  data: { index: number; embedding: number[] | string }[]
  usage: { prompt_tokens: number; total_tokens: number }
}

async function embed(url: string, body: Record<string, unknown>): Promise<Embeddings> {
  const { text, status } = await call(url, '/v1/embeddings', { model: 'e', ...body })
  expect(status).toBe(200)
  return JSON.parse(text) as Embeddings
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0)
}

describe('completions', () => {
  it('answers every prompt with n choices, echoing where asked', async () => {
    const { url } = await startSimulator()
    const body = { model: 'm', prompt: ['one', 'two'], n: 2, max_tokens: 5, echo: true }
    const { text } = await call(url, '/v1/completions', body)
    const { choices, usage, object } = JSON.parse(text) as {
      object: string
      choices: { text: string; index: number; finish_reason: string }[]
      usage: Record<string, number>
    }
    expect(object).toBe('text_completion')
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
    expect(choices.map((choice) => choice.text.slice(0, 3))).toEqual(['one', 'one', 'two', 'two'])
    expect(usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 20, total_tokens: 22 })
  })

  it('streams text_completion chunks to [DONE]', async () => {
    const { url } = await startSimulator()
    const { text } = await call(url, '/v1/completions', { model: 'm', prompt: 'x', stream: true, sim: { text: 'a b' } })
    const chunks = events<{ object: string; choices: { text: string; finish_reason: string | null }[] }>(text)
    expect(chunks.map(({ choices }) => choices[0])).toEqual([
      { text: 'a', index: 0, logprobs: null, finish_reason: null },
      { text: ' b', index: 0, logprobs: null, finish_reason: null },
      { text: '', index: 0, logprobs: null, finish_reason: 'stop' },
    ])
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('gives log probabilities in the old form', async () => {
    const { url } = await startSimulator()
    const { text } = await call(url, '/v1/completions', { model: 'm', prompt: 'x', logprobs: 1, sim: { text: 'a b' } })
    expect(JSON.parse(text)).toMatchObject({ choices: [{ logprobs: { tokens: ['a', ' b'], text_offset: [0, 1] } }] })
  })
})

describe('embeddings', () => {
  it('gives equal unit vectors for equal texts, and closer ones for texts that share words', async () => {
    const { url } = await startSimulator()
    const input = ['the quick brown fox', 'the quick brown dog', 'rain in november', 'the quick brown fox']
    const { data } = await embed(url, { input })
    const [fox = [], dog = [], rain = [], again] = data.map(({ embedding }) => embedding as number[])
    expect(fox).toHaveLength(384)
    expect(dot(fox, fox)).toBeCloseTo(1, 5)
    expect(again).toEqual(fox)
    expect(dot(fox, dog)).toBeGreaterThan(dot(fox, rain) + 0.3)
  })

  it('takes a string, token ids and lists of them, and counts their tokens', async () => {
    const { url } = await startSimulator()
    expect((await embed(url, { input: 'eight ch' })).usage).toEqual({ prompt_tokens: 2, total_tokens: 2 })
    expect((await embed(url, { input: [5, 6, 7] })).usage.prompt_tokens).toBe(3)
    const two = await embed(url, { input: [[5], [6, 7]] })
    expect(two.data).toHaveLength(2)
    expect(two.usage.prompt_tokens).toBe(3)
  })

  it('gives the same vector as base64, in the dimensions asked for', async () => {
    const { url } = await startSimulator()
    const float = (await embed(url, { input: 'x', dimensions: 8 })).data[0]?.embedding as number[]
    const base64 = (await embed(url, { input: 'x', dimensions: 8, encoding_format: 'base64' })).data[0]?.embedding
    const bytes = Buffer.from(base64 as string, 'base64')
    const decoded = Array.from({ length: 8 }, (_, index) => bytes.readFloatLE(index * 4))
    expect(bytes).toHaveLength(32)
    decoded.forEach((value, index) => {
      expect(value).toBeCloseTo(float[index] ?? 2, 6)
    })
  })

  it('costs less in a batch than one by one', async () => {
    const script = { embedding: { fixedMs: 20, perTokenMs: 10, batchExponent: 0.5 } }
    const { url } = await startSimulator({ models: { e: script } })
    const began = performance.now()
    await embed(url, { input: Array<string>(16).fill('word') })
    // Sixteen items of one token: 20 + 160 × 16^-0.5 = 60 ms, against 480 one by one.
    expect(performance.now() - began).toBeGreaterThanOrEqual(59)
    expect(embeddingCostMs(16, 16, script.embedding)).toBe(60)
    expect(embeddingCostMs(1, 1, script.embedding)).toBe(30)
    expect(embeddingCostMs(16, 16, { perTokenMs: 10, batchExponent: 1 })).toBe(160)
  })

  it('refuses a whole call for a bad item, too many items or too many tokens', async () => {
    const script = { embedding: { maxItems: 3, maxTokens: 10, rejectContaining: 'BAD' } }
    const { url, stats } = await startSimulator({ models: { e: script } })
    const status = async (input: string[]) => (await call(url, '/v1/embeddings', { model: 'e', input })).status
    expect(await status(['a', 'b', 'c'])).toBe(200)
    expect(await status(['a', 'BAD', 'c'])).toBe(400)
    expect(await status(['a', 'b', 'c', 'd'])).toBe(400)
    expect(await status(['x'.repeat(44)])).toBe(400)
    expect(stats().models['e']).toMatchObject({ embeddingCalls: 4, embeddingItems: 11, completed: 1, rejected: 3 })
    const sim = { embedding: { rejectContaining: 'BAD', rejectStatus: 500 } }
    expect((await call(url, '/v1/embeddings', { model: 'f', input: 'BAD', sim })).status).toBe(500)
  })
})

describe('the server', () => {
  it('lists the scripted models', async () => {
    const { url } = await startSimulator({ models: { a: {}, 'org/b': {} } })
    const { text } = await call(url, '/v1/models')
    expect(JSON.parse(text)).toMatchObject({ object: 'list', data: [{ id: 'a', object: 'model' }, { id: 'org/b' }] })
    expect(JSON.parse((await call(url, '/v1/models/org%2Fb')).text)).toMatchObject({ id: 'org/b' })
  })

  it('answers 404 for an unknown model only when it is strict', async () => {
    const strict = await startSimulator({ models: { a: {} }, strictModels: true })
    const body = { model: 'zzz', prompt: 'x' }
    const { status, text } = await call(strict.url, '/v1/completions', body)
    expect(status).toBe(404)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'model_not_found', param: 'model' } })
    const lenient = await startSimulator({ models: { a: {} } })
    expect((await call(lenient.url, '/v1/completions', body)).status).toBe(200)
  })

  it('asks for the key on every wire, in its form of error, but not for health, metrics and controls', async () => {
    const { url } = await startSimulator({ apiKey: 'sk-right' })
    const refused = await call(url, '/v1/models', undefined, { headers: { authorization: 'Bearer sk-wrong' } })
    expect(refused.status).toBe(401)
    expect(JSON.parse(refused.text)).toEqual({
      error: {
        message: 'Incorrect API key provided.',
        type: 'authentication_error',
        param: null,
        code: 'invalid_api_key',
      },
    })
    const ollama = await call(url, '/api/tags')
    expect([ollama.status, ollama.text]).toEqual([401, '{"error":"Incorrect API key provided."}'])
    expect((await call(url, '/v1/models', undefined, { headers: { authorization: 'Bearer sk-right' } })).status).toBe(
      200,
    )
    expect((await call(url, '/api/tags', undefined, { headers: { 'x-api-key': 'sk-right' } })).status).toBe(200)
    for (const path of ['/health', '/metrics', '/__sim/stats']) expect((await call(url, path)).status).toBe(200)
  })

  it('answers 404 for an unknown path, 405 for another method and 413 for too long a body', async () => {
    const { url } = await startSimulator({ maxBodyBytes: 1_000 })
    expect((await call(url, '/v1/nothing', {})).status).toBe(404)
    expect((await call(url, '/nothing')).status).toBe(404)
    expect((await call(url, '/v1/chat/completions')).status).toBe(405)
    expect((await call(url, '/v1/completions', { model: 'm', prompt: 'x'.repeat(1_000) })).status).toBe(413)
  })

  it('starts and stops as often as one likes', async () => {
    const simulator = await startSimulator()
    const { url } = simulator
    await simulator.start()
    expect(simulator.url).toBe(url)
    await simulator.stop()
    await simulator.stop()
    await expect(call(url, '/health')).rejects.toThrow('ECONNREFUSED')
    await simulator.start()
    expect((await call(simulator.url, '/health')).status).toBe(200)
  })

  it('rejects the start when the port is taken', async () => {
    const { url } = await startSimulator()
    await expect(startSimulator({ port: Number(new URL(url).port) })).rejects.toThrow('EADDRINUSE')
  })
})
