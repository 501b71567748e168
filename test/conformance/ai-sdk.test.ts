import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embed, embedMany, generateText, isStepCount, Output, streamText, tool } from 'ai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type System, startSystem, untilAborted, weatherCall } from './system.ts'

let system: System

beforeAll(async () => {
  system = await startSystem()
})
afterEach(() => system.stack.simulator.script('chat', { text: null, toolCalls: null, reasoning: null, tokens: null }))
afterAll(() => system.stack.close())

const prompt = 'What is the weather in Oslo?'
const maxRetries = 0
const Weather = z.object({ city: z.string(), celsius: z.number() })
const tools = {
  weather: tool({ inputSchema: z.object({ city: z.string() }), execute: async () => ({ celsius: 3 }) }),
}

const providers = {
  '@ai-sdk/openai-compatible': () => {
    const settings = { name: 'inferq', apiKey: system.key, baseURL: system.baseUrl }
    const inferq = createOpenAICompatible({ ...settings, includeUsage: true, supportsStructuredOutputs: true })
    return { chat: inferq('chat'), embedding: inferq.embeddingModel('embed') }
  },
  '@ai-sdk/openai, by chat completions': () => {
    const openai = createOpenAI({ apiKey: system.key, baseURL: system.baseUrl })
    return { chat: openai.chat('chat'), embedding: openai.embeddingModel('embed') }
  },
  '@ai-sdk/openai, by responses': () => {
    const openai = createOpenAI({ apiKey: system.key, baseURL: system.baseUrl })
    return { chat: openai.responses('chat'), embedding: openai.embeddingModel('embed') }
  },
} as const

describe.each(Object.entries(providers))("Vercel's AI SDK with %s", (_name, provider) => {
  it('generates a text, with usage', async () => {
    system.stack.simulator.script('chat', { text: 'Grey.' })
    const result = await generateText({ model: provider().chat, prompt, maxRetries })
    expect(result.text).toBe('Grey.')
    expect(result.finishReason).toBe('stop')
    expect(result.usage.outputTokens).toBeGreaterThan(0)
    expect(result.usage.inputTokens).toBeGreaterThan(0)
  })

  it('streams a text, with usage at the end', async () => {
    system.stack.simulator.script('chat', { text: 'one two three four five', interTokenMs: 5 })
    const result = streamText({ model: provider().chat, prompt, maxRetries })
    const parts: string[] = []
    for await (const part of result.textStream) parts.push(part)
    expect(parts.join('')).toBe('one two three four five')
    expect(await result.finishReason).toBe('stop')
    expect((await result.usage).outputTokens).toBe(5)
    system.stack.simulator.script('chat', { interTokenMs: null })
  })

  it('runs tools over several steps, whole and streamed', async () => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall], text: 'Three degrees.' })
    const options = { model: provider().chat, prompt, tools, stopWhen: isStepCount(3), maxRetries }
    const whole = await generateText(options)
    expect(whole.text).toBe('Three degrees.')
    expect(whole.steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
    expect(whole.steps[0]?.toolResults[0]?.output).toEqual({ celsius: 3 })

    const streamed = streamText(options)
    const kinds = new Set<string>()
    for await (const part of streamed.stream) kinds.add(part.type)
    expect(await streamed.text).toBe('Three degrees.')
    expect([...kinds]).toEqual(expect.arrayContaining(['tool-input-delta', 'tool-call', 'tool-result', 'text-delta']))
    expect(kinds).not.toContain('error')
  })

  it('generates objects, whole and streamed', async () => {
    const output = Output.object({ schema: Weather })
    const whole = await generateText({ model: provider().chat, prompt, output, maxRetries })
    expect(Weather.parse(whole.output)).toEqual(whole.output)
    const streamed = streamText({ model: provider().chat, prompt, output, maxRetries })
    expect(Weather.safeParse(await streamed.output).success).toBe(true)
  })

  it('embeds one value and many', async () => {
    const { embedding: model } = provider()
    const one = await embed({ model, value: 'first', maxRetries })
    const many = await embedMany({ model, values: ['first', 'second', 'third'], maxRetries })
    expect(many.embeddings).toHaveLength(3)
    expect(many.embeddings[0]).toEqual(one.embedding)
    expect(many.usage.tokens).toBeGreaterThan(0)
  })

  it('raises its own error, and knows what not to retry', async () => {
    system.stack.simulator.script('chat', { next: [{ fault: { status: 400, code: 'context_length_exceeded' } }] })
    const failing = generateText({ model: provider().chat, prompt, maxRetries: 2 })
    await expect(failing).rejects.toSatisfy(
      (error) => APICallError.isInstance(error) && error.statusCode === 400 && !error.isRetryable,
    )
  })

  it('stops the upstream when it is aborted', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const controller = new AbortController()
    const { signal: abortSignal } = controller
    // A stored response goes on without its client.
    const providerOptions = { openai: { store: false } }
    const result = streamText({ model: provider().chat, prompt, maxRetries, abortSignal, providerOptions })
    for await (const part of result.textStream) if (part !== '') controller.abort()
    await untilAborted(system)
    system.stack.simulator.script('chat', { interTokenMs: null })
  })
})

it("Vercel's AI SDK shows the thoughts of a reasoning model beside its answer", async () => {
  system.stack.simulator.script('chat', { reasoning: 'Let me see.', text: 'Grey.' })
  const model = providers['@ai-sdk/openai-compatible']().chat
  const whole = await generateText({ model, prompt, maxRetries })
  expect([whole.reasoningText, whole.text]).toEqual(['Let me see.', 'Grey.'])
  const streamed = streamText({ model, prompt, maxRetries })
  expect([await streamed.reasoningText, await streamed.text]).toEqual(['Let me see.', 'Grey.'])
})
