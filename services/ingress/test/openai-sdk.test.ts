import OpenAI, { APIError, AuthenticationError, BadRequestError, InternalServerError, NotFoundError } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench, masterKey } from './support/bench.ts'

let bench: Bench
let openai: OpenAI

beforeAll(async () => {
  bench = await createBench()
  openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: masterKey, maxRetries: 0 })
})
afterAll(() => bench.close())

const chat = { model: 'chat', messages: [{ role: 'user' as const, content: 'Hi' }] }
const raised = (promise: Promise<unknown>) =>
  promise.then(
    () => new Error('nothing was raised'),
    (error: unknown) => error,
  )

describe('the official SDK, unchanged', () => {
  it('gets answers, streams with usage, and embeddings', async () => {
    const whole = openai.chat.completions.create(chat)
    const spec = await bench.nextExchange()
    const message = { role: 'assistant', content: 'Hello' }
    const result = { choices: [{ index: 0, message, finish_reason: 'stop' }] }
    await (await bench.begin(spec.id)).end('completed', { result })
    expect((await whole).choices[0]?.message.content).toBe('Hello')

    const opening = openai.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } })
    const attempt = await bench.begin((await bench.nextExchange()).id)
    await attempt.say('Hel', 'lo')
    await attempt.end('completed', { finishReason: 'stop', usage: { promptTokens: 1, completionTokens: 2 } })
    let text = ''
    let total: number | undefined
    for await (const chunk of await opening) {
      text += chunk.choices[0]?.delta.content ?? ''
      total = chunk.usage?.total_tokens ?? total
    }
    expect([text, total]).toEqual(['Hello', 3])

    const embedding = openai.embeddings.create({ model: 'team/embed', input: 'a', encoding_format: 'float' })
    const data = [{ object: 'embedding', index: 0, embedding: [0.5, 0.25] }]
    const usage = { prompt_tokens: 1, total_tokens: 1 }
    await (await bench.begin((await bench.nextExchange()).id)).end('completed', { result: { data, usage } })
    expect((await embedding).data[0]?.embedding).toEqual([0.5, 0.25])
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['chat', 'team/embed'])
  })

  it('raises its own classes', async () => {
    const stranger = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 })
    expect(await raised(stranger.chat.completions.create(chat))).toBeInstanceOf(AuthenticationError)
    const unknown = await raised(openai.chat.completions.create({ ...chat, model: 'nope' }))
    expect(unknown).toBeInstanceOf(NotFoundError)
    expect(unknown).toMatchObject({ code: 'model_not_found', param: 'model' })
    const hot = await raised(openai.chat.completions.create({ ...chat, temperature: 9 }))
    expect(hot).toBeInstanceOf(BadRequestError)
    expect(hot).toMatchObject({ param: 'temperature', type: 'invalid_request_error' })
    const failing = raised(openai.chat.completions.create(chat))
    const error = { code: 'upstream_error', message: 'Broken.' } as const
    await (await bench.begin((await bench.nextExchange()).id)).end('failed', { error })
    expect(await failing).toBeInstanceOf(InternalServerError)
  })

  it('raises an error that comes inside a stream', async () => {
    const opening = openai.chat.completions.create({ ...chat, stream: true })
    const attempt = await bench.begin((await bench.nextExchange()).id)
    await attempt.say('Hel')
    const stream = await opening
    await attempt.end('failed', { error: { code: 'upstream_interrupted', message: 'Cut off.' } })
    const drained = (async () => {
      for await (const _ of stream);
    })()
    const failure = await raised(drained)
    expect(failure).toBeInstanceOf(APIError)
    expect(failure).toMatchObject({ code: 'upstream_interrupted' })
  })
})
