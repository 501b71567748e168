import OpenAI from 'openai'
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type System, startSystem, untilAborted, weatherCall } from './system.ts'

let system: System
let client: OpenAI

beforeAll(async () => {
  system = await startSystem()
  client = new OpenAI({ apiKey: system.key, baseURL: system.baseUrl, maxRetries: 0, timeout: 60_000 })
})
afterEach(() => system.stack.simulator.script('chat', { text: null, toolCalls: null, reasoning: null, tokens: null }))
afterAll(() => system.stack.close())

const model = 'chat'
const messages = [{ role: 'user' as const, content: 'What is the weather in Oslo?' }]
const Weather = z.object({ city: z.string(), celsius: z.number(), sky: z.enum(['clear', 'grey']) })

describe('tools, through the openai package', () => {
  const asked: unknown[] = []
  const tools = [
    zodFunction({
      name: 'weather',
      parameters: z.object({ city: z.string() }),
      function: (given: { city: string }) => {
        asked.push(given)
        return { celsius: 3 }
      },
    }),
  ]

  it('are run by its runner until the model answers', async () => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall], text: 'Three degrees.' })
    const runner = client.chat.completions.runTools({ model, messages, tools })
    expect(await runner.finalContent()).toBe('Three degrees.')
    expect(asked).toEqual([{ city: 'Oslo' }])
    expect(runner.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant'])
  })

  it('are run by its streaming runner as well, also two calls of one turn', async () => {
    asked.length = 0
    const calls = [weatherCall, { name: 'weather', arguments: { city: 'Bergen' } }]
    system.stack.simulator.script('chat', { toolCalls: calls, text: 'Three and five.' })
    const runner = client.chat.completions.runTools({ model, messages, tools, stream: true })
    expect(await runner.finalContent()).toBe('Three and five.')
    expect(asked).toEqual([{ city: 'Oslo' }, { city: 'Bergen' }])
    expect(new Set(runner.messages.flatMap((one) => (one.role === 'tool' ? [one.tool_call_id] : []))).size).toBe(2)
  })
})

describe('structured outputs, through the openai package', () => {
  const response_format = zodResponseFormat(Weather, 'weather')

  it('are parsed whole', async () => {
    const completion = await client.chat.completions.parse({ model, messages, response_format })
    expect(Weather.parse(completion.choices[0]?.message.parsed)).toEqual(completion.choices[0]?.message.parsed)
  })

  it('are parsed from a stream', async () => {
    const stream = client.chat.completions.stream({ model, messages, response_format })
    const completion = await stream.finalChatCompletion()
    expect(Weather.safeParse(completion.choices[0]?.message.parsed).success).toBe(true)
  })

  it('of a text that is none are the client to notice, not a server error', async () => {
    system.stack.simulator.script('chat', { brokenJson: true })
    await expect(client.chat.completions.parse({ model, messages, response_format })).rejects.toBeInstanceOf(
      SyntaxError,
    )
    system.stack.simulator.script('chat', { brokenJson: null })
  })
})

describe('parameters, through the openai package', () => {
  it('give several choices, log probabilities and a stop', async () => {
    const completion = await client.chat.completions.create({
      model,
      messages,
      n: 2,
      seed: 7,
      logprobs: true,
      top_logprobs: 2,
      max_completion_tokens: 4,
    })
    expect(completion.choices.map(({ index }) => index)).toEqual([0, 1])
    for (const choice of completion.choices) {
      expect(choice.finish_reason).toBe('length')
      expect(choice.logprobs?.content).toHaveLength(4)
      expect(choice.logprobs?.content?.[0]?.top_logprobs.length).toBeGreaterThan(0)
    }
    expect(completion.usage?.completion_tokens).toBe(8)
  })

  it('are the same answer for the same seed, whole and streamed', async () => {
    const body = { model, messages, seed: 11, max_completion_tokens: 12 }
    const whole = await client.chat.completions.create(body)
    const streamed = await client.chat.completions.stream(body).finalContent()
    expect(streamed).toBe(whole.choices[0]?.message.content)
  })

  it('reach a reasoning model, whose thoughts come beside the answer', async () => {
    system.stack.simulator.script('chat', { reasoning: 'Let me see.', text: 'Grey.' })
    const completion = await client.chat.completions.create({ model, messages, reasoning_effort: 'low' })
    expect(completion.choices[0]?.message).toMatchObject({ content: 'Grey.', reasoning_content: 'Let me see.' })
    expect(completion.usage?.completion_tokens_details?.reasoning_tokens).toBeGreaterThan(0)
  })

  it('of a conversation with images, tool results and names are taken', async () => {
    system.stack.simulator.script('chat', { text: 'A cat.' })
    const completion = await client.chat.completions.create({
      model,
      user: 'u-1',
      metadata: { purpose: 'test' },
      store: false,
      messages: [
        { role: 'developer', content: 'Be short.' },
        {
          role: 'user',
          name: 'ada',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
          ],
        },
        {
          role: 'assistant',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'a cat' },
      ],
    })
    expect(completion.choices[0]?.message.content).toBe('A cat.')
  })
})

describe('the connection, through the openai package', () => {
  it('has the ids that support asks for', async () => {
    const {
      data,
      response,
      request_id: requestId,
    } = await client.chat.completions.create({ model, messages }).withResponse()
    expect(requestId).toMatch(/^req_/)
    expect(data).toHaveProperty('_request_id', requestId)
    expect(response.headers.get('x-inferq-job-id')).toMatch(/^job_/)
    expect(response.headers.get('x-inferq-deployment')).toBeTruthy()
  })

  it('that asks twice with one Idempotency-Key is answered once by the upstream, and twice the same', async () => {
    system.stack.simulator.reset()
    const body = { model, messages: [{ role: 'user' as const, content: 'Once.' }] }
    const options = { headers: { 'Idempotency-Key': 'order-4711' } }
    const [first, second] = await Promise.all([
      client.chat.completions.create(body, options),
      client.chat.completions.create(body, options),
    ])
    expect(second).toEqual(first)
    expect(await client.chat.completions.create(body, options)).toEqual(first)
    expect(system.stack.simulator.stats().models['chat']?.calls).toBe(1)
    const other = client.chat.completions.create({ ...body, seed: 1 }, options)
    await expect(other).rejects.toBeInstanceOf(OpenAI.UnprocessableEntityError)
  })

  it('that times out on its side stops the upstream', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { next: [{ hang: 'before-first-token' }] })
    const waiting = client.chat.completions.create({ model, messages }, { timeout: 500 })
    await expect(waiting).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
    await untilAborted(system)
  })

  it('that is aborted stops the upstream', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const controller = new AbortController()
    const stream = await client.chat.completions.create(
      { model, messages, stream: true },
      { signal: controller.signal },
    )
    // The iterator of an aborted stream ends without an error.
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) controller.abort()
    await untilAborted(system)
    system.stack.simulator.script('chat', { interTokenMs: null })
  })
})
