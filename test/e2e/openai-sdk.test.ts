import { until } from '@inferq/testkit'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

let stack: Stack
let ingress: ServiceProcess
let client: OpenAI

beforeAll(async () => {
  stack = await startStack()
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  client = createClient(stack.masterKey)
})
afterAll(async () => {
  await stack.close()
})

function createClient(apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: `${ingress.url}/v1`, maxRetries: 0, timeout: 60_000 })
}

const messages = [{ role: 'user' as const, content: 'Hi' }]

describe('the official openai package', () => {
  it('gets a chat completion', async () => {
    stack.simulator.script('chat', { text: 'Hello there' })
    const completion = await client.chat.completions.create({ model: 'chat', messages })
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: 'chat',
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello there' } }],
    })
    expect(completion.id).toMatch(/^chatcmpl-/)
    expect(completion.usage?.total_tokens).toBeGreaterThan(0)
  })

  it('gets a streamed one, token by token, with usage when it asks', async () => {
    stack.simulator.script('chat', { text: 'one two three four', interTokenMs: 200 })
    const stream = await client.chat.completions.create({
      model: 'chat',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    const parts: string[] = []
    let finish: string | null | undefined
    let usage: OpenAI.CompletionUsage | null | undefined
    for await (const chunk of stream) {
      const choice = chunk.choices[0]
      if (choice?.delta.content) parts.push(choice.delta.content)
      finish ??= choice?.finish_reason
      usage = chunk.usage ?? usage
    }
    expect(parts.join('')).toBe('one two three four')
    expect(parts.length).toBeGreaterThan(2)
    expect(finish).toBe('stop')
    expect(usage?.completion_tokens).toBeGreaterThan(0)
  })

  it("assembles tool calls from a stream through the SDK's own helper", async () => {
    stack.simulator.script('chat', { toolCalls: [{ name: 'weather', arguments: { city: 'Oslo' } }] })
    const tools = [
      { type: 'function' as const, function: { name: 'weather', parameters: { type: 'object', properties: {} } } },
    ]
    const message = await client.chat.completions.stream({ model: 'chat', messages, tools }).finalMessage()
    expect(message.tool_calls?.[0]).toMatchObject({ function: { name: 'weather', arguments: '{"city":"Oslo"}' } })
    stack.simulator.script('chat', { toolCalls: null })
  })

  it('gets the same from the Ollama wire', async () => {
    stack.simulator.script('llama', { text: 'from a llama', interTokenMs: 5 })
    const whole = await client.chat.completions.create({ model: 'llama', messages })
    const streamed = await client.chat.completions.stream({ model: 'llama', messages }).finalContent()
    expect(whole.choices[0]?.message.content).toBe('from a llama')
    expect(streamed).toBe('from a llama')
  })

  it('gets a legacy text completion, streamed and not', async () => {
    stack.simulator.script('chat', { text: 'upon a time' })
    const whole = await client.completions.create({ model: 'chat', prompt: 'Once' })
    expect(whole.choices[0]?.text).toBe('upon a time')
    let text = ''
    for await (const chunk of await client.completions.create({ model: 'chat', prompt: 'Once', stream: true })) {
      text += chunk.choices[0]?.text ?? ''
    }
    expect(text).toBe('upon a time')
  })

  it('gets embeddings, in order, as numbers and as base64', async () => {
    const input = ['first', 'second', 'first']
    const numbers = await client.embeddings.create({ model: 'embed', input, dimensions: 8, encoding_format: 'float' })
    const base64 = await client.embeddings.create({ model: 'embed', input, dimensions: 8 })
    expect(numbers.data.map((item) => item.index)).toEqual([0, 1, 2])
    expect(numbers.data[0]?.embedding).toHaveLength(8)
    expect(numbers.data[0]?.embedding).toEqual(numbers.data[2]?.embedding)
    expect(numbers.data[0]?.embedding).not.toEqual(numbers.data[1]?.embedding)
    base64.data[1]?.embedding.forEach((value, i) => {
      expect(value).toBeCloseTo(numbers.data[1]?.embedding[i] ?? Number.NaN, 5)
    })
  })

  it('lists the models', async () => {
    const models = await client.models.list()
    expect(models.data.map((model) => model.id)).toEqual(['chat', 'embed', 'llama'])
    expect((await client.models.retrieve('chat')).id).toBe('chat')
  })

  it('raises its own error class for each kind of failure', async () => {
    const create = (model = 'chat', extra: object = {}) =>
      client.chat.completions.create({ model, messages, ...extra } as never)
    await expect(create('nope')).rejects.toSatisfy(
      (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found',
    )
    await expect(createClient('sk-wrong').models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError)
    await expect(create('chat', { messages: [{ role: 'wizard' }] })).rejects.toSatisfy(
      (error) => error instanceof OpenAI.BadRequestError && error.param === 'messages[0].role',
    )
    stack.simulator.script('chat', { fault: { status: 400, code: 'context_length_exceeded' } })
    await expect(create()).rejects.toSatisfy(
      (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded',
    )
    stack.simulator.script('chat', { fault: 500 })
    await expect(create()).rejects.toBeInstanceOf(OpenAI.InternalServerError)
    stack.simulator.script('chat', { fault: null })
  })

  it('gets a failure before the first token as a status, and after it as an error of the stream', async () => {
    stack.simulator.script('chat', { fault: { status: 400, message: 'bad' } })
    const early = client.chat.completions.create({ model: 'chat', messages, stream: true })
    await expect(early).rejects.toBeInstanceOf(OpenAI.BadRequestError)

    stack.simulator.script('chat', { fault: null, text: 'a b c d e f g h', interTokenMs: 30, cutAfter: 4 })
    const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true })
    let text = ''
    const read = async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    }
    await expect(read()).rejects.toBeInstanceOf(OpenAI.APIError)
    expect(text.length).toBeGreaterThan(0)
    stack.simulator.script('chat', { cutAfter: null })
  })

  it('stops the upstream call when it goes away in mid-stream', async () => {
    stack.simulator.reset()
    stack.simulator.script('chat', { tokens: 10_000, interTokenMs: 20 })
    const stream = await client.chat.completions.create({ model: 'chat', messages, stream: true })
    for await (const _ of stream) break
    await until(() => stack.simulator.stats().models['chat']?.aborted === 1)
  })
})
