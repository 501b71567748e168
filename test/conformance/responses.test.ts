import { until } from '@inferq/testkit'
import OpenAI from 'openai'
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { collect, type System, startSystem, untilAborted, weatherCall, wordsOf } from './system.ts'

let system: System
let client: OpenAI

beforeAll(async () => {
  system = await startSystem()
  client = new OpenAI({ apiKey: system.key, baseURL: system.baseUrl, maxRetries: 0, timeout: 60_000 })
})
afterEach(() =>
  system.stack.simulator.script('chat', {
    text: null,
    toolCalls: null,
    reasoning: null,
    tokens: null,
    interTokenMs: null,
  }),
)
afterAll(() => system.stack.close())

const model = 'chat'
const input = 'What is the weather in Oslo?'
const Weather = z.object({ city: z.string(), celsius: z.number() })
const weather = zodResponsesFunction({ name: 'weather', parameters: z.object({ city: z.string() }) })

describe('responses, through the official openai package', () => {
  it('are created, retrieved and deleted', async () => {
    system.stack.simulator.script('chat', { text: 'Grey.' })
    const response = await client.responses.create({ model, input, instructions: 'Be short.', metadata: { a: 'b' } })
    expect(response).toMatchObject({ object: 'response', status: 'completed', output_text: 'Grey.', error: null })
    expect(response).toMatchObject({ instructions: 'Be short.', metadata: { a: 'b' }, model: 'chat' })
    expect(response.usage?.total_tokens).toBeGreaterThan(0)
    const found = await client.responses.retrieve(response.id)
    expect([found.id, found.output_text]).toEqual([response.id, 'Grey.'])
    await client.responses.delete(response.id)
    await expect(client.responses.retrieve(response.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })

  it('stream their documented events, numbered from 0 without a gap', async () => {
    system.stack.simulator.script('chat', { text: 'one two three four', interTokenMs: 10 })
    const stream = await client.responses.create({ model, input, stream: true })
    const events = await collect(stream)
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, index) => index))
    expect(events.slice(0, 2).map(({ type }) => type)).toEqual(['response.created', 'response.in_progress'])
    expect(events.at(-1)?.type).toBe('response.completed')
    const text = events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('')
    expect(text).toBe('one two three four')
  })

  it("are accumulated by the SDK's own stream", async () => {
    system.stack.simulator.script('chat', { text: 'one two three', interTokenMs: 5 })
    const response = await client.responses.stream({ model, input }).finalResponse()
    expect(response.output_text).toBe('one two three')
    expect(response.usage?.output_tokens).toBe(3)
  })

  it('are parsed, whole and streamed', async () => {
    const asked = { model, input, text: { format: zodTextFormat(Weather, 'weather') } }
    const whole = await client.responses.parse(asked)
    expect(Weather.parse(whole.output_parsed)).toEqual(whole.output_parsed)
    const streamed = await client.responses.stream(asked).finalResponse()
    expect(Weather.safeParse(streamed.output_parsed).success).toBe(true)
  })

  it('call functions, and go on with their output after previous_response_id', async () => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall], text: 'Three degrees.' })
    const asked = await client.responses.create({ model, input, tools: [weather] })
    const call = asked.output.find((item) => item.type === 'function_call')
    expect(call).toMatchObject({ name: 'weather', arguments: '{"city":"Oslo"}' })
    const answered = await client.responses.create({
      model,
      tools: [weather],
      previous_response_id: asked.id,
      input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output: '{"celsius":3}' }],
    })
    expect(answered.output_text).toBe('Three degrees.')
    expect(answered.previous_response_id).toBe(asked.id)
  })

  it('keep thoughts in an item of their own', async () => {
    system.stack.simulator.script('chat', { reasoning: 'Let me see.', text: 'Grey.' })
    const response = await client.responses.create({ model, input, reasoning: { effort: 'low' } })
    expect(response.output.map(({ type }) => type)).toEqual(['reasoning', 'message'])
    expect(response.usage?.output_tokens_details.reasoning_tokens).toBeGreaterThan(0)
  })

  it('that are cut short are incomplete, and say why', async () => {
    const response = await client.responses.create({ model, input, max_output_tokens: 16, truncation: 'disabled' })
    if (response.status === 'incomplete') expect(response.incomplete_details?.reason).toBe('max_output_tokens')
    system.stack.simulator.script('chat', { text: wordsOf(40) })
    const cut = await client.responses.create({ model, input, max_output_tokens: 16 })
    expect([cut.status, cut.incomplete_details?.reason]).toEqual(['incomplete', 'max_output_tokens'])
  })

  it('list their input items', async () => {
    const response = await client.responses.create({ model, input: [{ role: 'user', content: 'Hi' }] })
    const items = await collect(client.responses.inputItems.list(response.id))
    expect(items).toMatchObject([{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }])
  })

  it('that nobody stores stop with their client', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const stream = await client.responses.create({ model, input, stream: true, store: false })
    for await (const event of stream) if (event.type === 'response.output_text.delta') break
    await untilAborted(system)
  })

  it('refuse what they cannot do, naming the field', async () => {
    const create = client.responses.create({ model, input, tools: [{ type: 'web_search' }] })
    await expect(create).rejects.toSatisfy(
      (error) => error instanceof OpenAI.BadRequestError && /^tools\[0\]/.test(error.param ?? ''),
    )
    const unknown = client.responses.create({ model, input, previous_response_id: 'resp_none' })
    await expect(unknown).rejects.toBeInstanceOf(OpenAI.APIError)
  })
})

describe('background responses, through the official openai package', () => {
  it('are queued at once and completed by themselves', async () => {
    system.stack.simulator.script('chat', { text: 'Done.' })
    const queued = await client.responses.create({ model, input, background: true })
    expect(queued).toMatchObject({ status: expect.stringMatching(/queued|in_progress/), background: true })
    const done = await until(async () => {
      const response = await client.responses.retrieve(queued.id)
      return response.status === 'completed' ? response : undefined
    })
    expect(done.output_text).toBe('Done.')
  })

  it('are cancelled, as often as one likes', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const { id } = await client.responses.create({ model, input, background: true })
    await client.responses.cancel(id)
    await until(async () => (await client.responses.retrieve(id)).status === 'cancelled')
    expect((await client.responses.cancel(id)).status).toBe('cancelled')
  })
})
