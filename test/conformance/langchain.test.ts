import { ContextOverflowError } from '@langchain/core/errors'
import { AIMessage, HumanMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { collect, type System, startSystem, untilAborted, weatherCall } from './system.ts'

let system: System

beforeAll(async () => {
  system = await startSystem()
})
afterEach(() =>
  system.stack.simulator.script('chat', { text: null, toolCalls: null, tokens: null, interTokenMs: null }),
)
afterAll(() => system.stack.close())

const question = 'What is the weather in Oslo?'
const Weather = z.object({ city: z.string(), celsius: z.number() })
const weather = tool(() => 'three degrees', {
  name: 'weather',
  description: 'The weather of a city',
  schema: z.object({ city: z.string() }),
})

describe.each([
  ['chat completions', false],
  ['responses', true],
] as const)("LangChain's ChatOpenAI by %s", (_name, useResponsesApi) => {
  const createChat = (more: { readonly zdrEnabled?: boolean } = {}) =>
    new ChatOpenAI({
      ...more,
      model: 'chat',
      apiKey: system.key,
      configuration: { baseURL: system.baseUrl },
      maxRetries: 0,
      useResponsesApi,
    })

  it('invokes the model', async () => {
    system.stack.simulator.script('chat', { text: 'Grey.' })
    const message = await createChat().invoke(question)
    expect(message.text).toBe('Grey.')
    expect(message.usage_metadata).toMatchObject({ output_tokens: expect.any(Number) })
  })

  it('streams it', async () => {
    system.stack.simulator.script('chat', { text: 'one two three four five', interTokenMs: 5 })
    const chunks = await collect(await createChat().stream(question))
    expect(chunks.map(({ text }) => text).join('')).toBe('one two three four five')
    const usages = chunks.map((chunk) => chunk.usage_metadata)
    expect(usages).toContainEqual(expect.objectContaining({ output_tokens: 5 }))
  })

  it('binds tools, and answers with their results', async () => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall], text: 'Three degrees.' })
    const chat = createChat().bindTools([weather])
    const asked = await chat.invoke(question)
    expect(asked.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }])
    const results = await Promise.all((asked.tool_calls ?? []).map((call) => weather.invoke(call)))
    expect(results[0]).toBeInstanceOf(ToolMessage)
    const answer = await chat.invoke([new HumanMessage(question), asked, ...results])
    expect(answer.text).toBe('Three degrees.')
  })

  it('assembles streamed tool calls', async () => {
    system.stack.simulator.script('chat', { toolCalls: [weatherCall] })
    const chunks = await collect(await createChat().bindTools([weather]).stream(question))
    const whole = chunks.reduce((before, chunk) => before.concat(chunk))
    expect(whole.tool_calls).toMatchObject([{ name: 'weather', args: { city: 'Oslo' } }])
  })

  it('gives structured output', async () => {
    const structured = createChat().withStructuredOutput(Weather, { name: 'weather', method: 'jsonSchema' })
    const value = await structured.invoke(question)
    expect(Weather.parse(value)).toEqual(value)
  })

  it('knows a prompt that is too long by its own error class', async () => {
    system.stack.simulator.script('chat', { next: [{ fault: { status: 400, code: 'context_length_exceeded' } }] })
    await expect(createChat().invoke([new AIMessage('Hello'), new HumanMessage(question)])).rejects.toSatisfy((error) =>
      ContextOverflowError.isInstance(error),
    )
  })

  it('stops the upstream when it is aborted', async () => {
    system.stack.simulator.reset()
    system.stack.simulator.script('chat', { tokens: 5_000, interTokenMs: 10 })
    const controller = new AbortController()
    const read = async (): Promise<void> => {
      // A stored response goes on without its client; `zdrEnabled` is this client's word for `store: false`.
      const chat = createChat({ zdrEnabled: true })
      for await (const chunk of await chat.stream(question, { signal: controller.signal })) {
        if (chunk.text !== '') controller.abort()
      }
    }
    await read().catch(() => undefined)
    expect(controller.signal.aborted).toBe(true)
    await untilAborted(system)
  })
})

it("LangChain's OpenAIEmbeddings embed documents and queries alike", async () => {
  const embeddings = new OpenAIEmbeddings({
    model: 'embed',
    apiKey: system.key,
    configuration: { baseURL: system.baseUrl },
    dimensions: 16,
    maxRetries: 0,
  })
  const documents = await embeddings.embedDocuments(['first', 'second'])
  expect(documents.map(({ length }) => length)).toEqual([16, 16])
  expect(await embeddings.embedQuery('first')).toEqual(documents[0])
})
