import Anthropic from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type System, startSystem, untilAborted, weatherCall } from './system.ts'

let system: System
let client: Anthropic

beforeAll(async () => {
  system = await startSystem()
  client = createClient({ apiKey: system.key })
})
afterEach(() => system.stack.simulator.script('chat', { text: null, toolCalls: null, reasoning: null, tokens: null }))
afterAll(() => system.stack.close())

function createClient(credentials: { readonly apiKey?: string | null; readonly authToken?: string }): Anthropic {
  return new Anthropic({ ...credentials, baseURL: system.ingress.url, maxRetries: 0, timeout: 60_000 })
}

const asked = {
  model: 'chat',
  max_tokens: 200,
  messages: [{ role: 'user' as const, content: 'What is the weather in Oslo?' }],
}
const Weather = z.object({ city: z.string(), celsius: z.number() })

describe('the official @anthropic-ai/sdk package', () => {
  it('gets a message', async () => {
    system.stack.simulator.script('chat', { text: 'Grey.' })
    const message = await client.messages.create({ ...asked, system: 'Be short.' })
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'chat',
      content: [{ type: 'text', text: 'Grey.' }],
      stop_reason: 'end_turn',
    })
    expect(message.usage.input_tokens).toBeGreaterThan(0)
    expect(message.usage.output_tokens).toBeGreaterThan(0)
  })

  it('gets a streamed one, through its own accumulator', async () => {
    system.stack.simulator.script('chat', { text: 'one two three', interTokenMs: 10 })
    const stream = client.messages.stream(asked)
    const kinds: string[] = []
    stream.on('streamEvent', (event) => kinds.push(event.type))
    const message = await stream.finalMessage()
    expect(message.content).toMatchObject([{ type: 'text', text: 'one two three' }])
    expect(message.usage.output_tokens).toBe(3)
    expect(kinds[0]).toBe('message_start')
    expect(kinds.slice(-3)).toEqual(['content_block_stop', 'message_delta', 'message_stop'])
    system.stack.simulator.script('chat', { interTokenMs: null })
  })

  it.each([false, true])('runs tools by its own runner (streamed: %s)', async (stream) => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall], text: 'Three degrees.' })
    const cities: string[] = []
    const weather = betaZodTool({
      name: 'weather',
      description: 'The weather of a city',
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => {
        cities.push(city)
        return 'three degrees'
      },
    })
    const message = await client.beta.messages.toolRunner({ ...asked, tools: [weather], stream }).runUntilDone()
    expect(message.content).toMatchObject([{ type: 'text', text: 'Three degrees.' }])
    expect(cities).toEqual(['Oslo'])
  })

  it('parses structured output', async () => {
    const format = zodOutputFormat(Weather)
    const message = await client.messages.parse({ ...asked, output_config: { format } })
    expect(Weather.parse(message.parsed_output)).toEqual(message.parsed_output)
  })

  it('shows the thoughts of a reasoning model as a block of their own', async () => {
    system.stack.simulator.script('chat', { reasoning: 'Let me see.', text: 'Grey.' })
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 }
    const message = await client.messages.create({ ...asked, max_tokens: 2048, thinking })
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'Let me see.' },
      { type: 'text', text: 'Grey.' },
    ])
  })

  it('counts tokens', async () => {
    const { max_tokens: _limit, ...question } = asked
    expect((await client.messages.countTokens(question)).input_tokens).toBeGreaterThan(0)
  })

  it('lists models in its own shape', async () => {
    const page = await client.models.list()
    expect(page.data.map(({ id, type }) => [id, type])).toContainEqual(['chat', 'model'])
  })

  it('takes a bearer token too, as coding agents send it', async () => {
    const bearer = createClient({ apiKey: null, authToken: system.key })
    expect((await bearer.messages.create(asked)).type).toBe('message')
  })

  it('raises its own error class for each kind of failure', async () => {
    await expect(createClient({ apiKey: 'sk-wrong' }).messages.create(asked)).rejects.toSatisfy(
      (error) => error instanceof Anthropic.AuthenticationError && error.type === 'authentication_error',
    )
    await expect(client.messages.create({ ...asked, model: 'nope' })).rejects.toBeInstanceOf(Anthropic.NotFoundError)
    await expect(client.messages.create({ ...asked, max_tokens: -1 })).rejects.toSatisfy(
      (error) => error instanceof Anthropic.BadRequestError && error.message.includes('max_tokens'),
    )
    system.stack.simulator.script('chat', { next: [{ fault: 500 }, { fault: 500 }, { fault: 500 }] })
    await expect(client.messages.create(asked)).rejects.toBeInstanceOf(Anthropic.InternalServerError)
    system.stack.simulator.reset()
  })

  it('stops the upstream call when it goes away', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const stream = await client.messages.create({ ...asked, max_tokens: 8_000, stream: true })
    for await (const event of stream) if (event.type === 'content_block_delta') break
    await untilAborted(system)
  })
})
