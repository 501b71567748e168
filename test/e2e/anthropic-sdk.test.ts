import Anthropic from '@anthropic-ai/sdk'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** The same upstream on three wires; it keeps what it was sent. */
const config = `
model_list:
  - {model_name: claude, litellm_params: {model: anthropic/claude-haiku-4-5, api_base: "\${RECORDER}", api_key: sk-test}}
  - {model_name: qwen, litellm_params: {model: vllm/qwen, api_base: "\${RECORDER}/v1"}}
  - {model_name: llama, litellm_params: {model: ollama/llama, api_base: "\${RECORDER}"}}
workers: {drain_s: 3}
breaker: {enabled: false}
`
const upstreams = { claude: 'claude-haiku-4-5', qwen: 'qwen', llama: 'llama' } as const
type Model = keyof typeof upstreams
const models = Object.keys(upstreams) as Model[]

let recorder: Simulator
let stack: Stack
let ingress: ServiceProcess
let client: Anthropic

beforeAll(async () => {
  recorder = createSimulator({ recordBodies: true })
  await recorder.start()
  stack = await startStack(config, { variables: () => ({ RECORDER: recorder.url }) })
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  client = createClient(stack.masterKey)
})
afterEach(() => recorder.reset())
afterAll(async () => {
  await stack.close()
  await recorder.stop()
})

function createClient(apiKey: string): Anthropic {
  return new Anthropic({ apiKey, baseURL: ingress.url, maxRetries: 0, timeout: 60_000 })
}

const script = (model: Model, patch: Parameters<Simulator['script']>[1]) => recorder.script(upstreams[model], patch)
const ask = (model: Model, more: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) => ({
  model,
  max_tokens: 500,
  messages: [{ role: 'user' as const, content: 'Hi' }],
  ...more,
})
const readFile: Anthropic.Tool = {
  name: 'read_file',
  description: 'Reads a file.',
  input_schema: { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
}
/** The bodies that reached the upstream, in order. */
const sent = (): Record<string, unknown>[] =>
  (recorder.stats({ requests: true }).requests ?? [])
    // A worker also asks this upstream for its load, with no body.
    .filter(({ body }) => body !== undefined && body !== '')
    .map(({ body }) => JSON.parse(body ?? '') as Record<string, unknown>)
    .filter((body) => body['messages'] !== undefined)

describe.each(models)("Anthropic's SDK, through the wire of %s", (model) => {
  it('gets a message with usage', async () => {
    script(model, { text: 'Hello from over there.' })
    const message = await client.messages.create(ask(model, { system: 'Be brief.' }))
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model,
      content: [{ type: 'text', text: 'Hello from over there.' }],
      stop_reason: 'end_turn',
    })
    expect(message.id).toMatch(/^msg_/)
    expect(message.usage.input_tokens).toBeGreaterThan(0)
    expect(message.usage.output_tokens).toBeGreaterThan(0)
  })

  it('streams it as it comes, thoughts first', async () => {
    const text = 'one two three four five six seven eight nine ten eleven twelve'
    script(model, { text, reasoning: 'let me think', interTokenMs: 50 })
    const stream = client.messages.stream(ask(model))
    const kinds: string[] = []
    let isEarly = false
    stream.once('text', () => {
      isEarly = recorder.stats().models[upstreams[model]]?.completed === 0
    })
    for await (const event of stream) kinds.push(event.type)
    const message = await stream.finalMessage()
    expect(message.content).toMatchObject([
      { type: 'thinking', thinking: 'let me think' },
      { type: 'text', text },
    ])
    expect(isEarly).toBe(true)
    expect(kinds[0]).toBe('message_start')
    expect(kinds.slice(-2)).toEqual(['message_delta', 'message_stop'])
    expect(message.usage.output_tokens).toBeGreaterThan(0)
  })

  it('has its tools called, one after the other', async () => {
    const toolCalls = [
      { name: 'read_file', arguments: { path: 'a.ts' } },
      { name: 'read_file', arguments: { path: 'b.ts' } },
    ]
    script(model, { toolCalls })
    const stream = client.messages.stream(ask(model, { tools: [readFile] }))
    const blocks: Anthropic.ContentBlock[] = []
    stream.on('contentBlock', (block) => blocks.push(block))
    const message = await stream.finalMessage()
    expect(message.stop_reason).toBe('tool_use')
    const expected = toolCalls.map(({ name, arguments: input }) => ({ type: 'tool_use', name, input }))
    expect(blocks).toMatchObject(expected)
    expect((await client.messages.create(ask(model, { tools: [readFile] }))).content).toMatchObject(expected)
  })

  it('works like a coding agent, turn after turn', async () => {
    script(model, { reasoning: 'look first', toolCalls: [{ name: 'read_file', arguments: { path: 'a.ts' } }] })
    const cached = { cache_control: { type: 'ephemeral' as const } }
    const system: Anthropic.TextBlockParam[] = [
      { type: 'text', text: 'You are a coding agent.' },
      { type: 'text', text: 'The project is small.', ...cached },
    ]
    const messages: Anthropic.MessageParam[] = [
      { role: 'user', content: [{ type: 'text', text: 'Fix it.', ...cached }] },
    ]
    const params = { model, max_tokens: 4_000, system, tools: [{ ...readFile, ...cached }] }
    const first = await client.messages.stream({ ...params, messages }).finalMessage()
    const [call] = first.content.filter((block) => block.type === 'tool_use')
    messages.push({ role: 'assistant', content: first.content })
    messages.push({
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: call?.id ?? '', content: 'No such file.', is_error: true, ...cached },
        { type: 'text', text: 'Then give up.' },
      ],
    })
    script(model, { reasoning: null, toolCalls: null, text: 'There is nothing to fix.' })
    const second = await client.messages.stream({ ...params, messages }).finalText()
    expect(second).toBe('There is nothing to fix.')

    const body = sent().at(-1)
    if (model === 'claude') {
      const [thought] = first.content
      expect(thought).toMatchObject({ type: 'thinking', thinking: 'look first', signature: expect.stringMatching(/./) })
      expect(body).toMatchObject({
        system,
        tools: [{ name: 'read_file', ...cached }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Fix it.', ...cached }] },
          { role: 'assistant', content: [thought, { type: 'tool_use', id: call?.id, input: { path: 'a.ts' } }] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: call?.id, content: 'No such file.', is_error: true, ...cached },
              { type: 'text', text: 'Then give up.' },
            ],
          },
        ],
      })
    } else {
      expect(JSON.stringify(body)).not.toMatch(/cache_control|is_error|thinking_blocks|tool_use_id/)
      const turns = body?.['messages'] as { role: string }[]
      expect(turns.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'user'])
    }
  })

  it('ends at a stop sequence, and at the bound', async () => {
    script(model, { text: 'one two END three' })
    const stopped = await client.messages.create(ask(model, { stop_sequences: ['END'] }))
    expect(stopped.content).toMatchObject([{ type: 'text', text: 'one two ' }])
    // Ollama does not say which it was.
    if (model === 'claude') expect(stopped).toMatchObject({ stop_reason: 'stop_sequence', stop_sequence: 'END' })
    script(model, { text: 'one two three four five six seven' })
    expect((await client.messages.create(ask(model, { max_tokens: 3 }))).stop_reason).toBe('max_tokens')
  })

  it('meets the errors it knows', async () => {
    script(model, { fault: { status: 400, code: 'context_length_exceeded' } })
    const tooLong = client.messages.create(ask(model))
    await expect(tooLong).rejects.toBeInstanceOf(Anthropic.BadRequestError)
    await expect(tooLong).rejects.toMatchObject({ errorCode: 'context_length_exceeded' })
    script(model, { fault: null, text: 'a b c d e f g h', interTokenMs: 30, cutAfter: 4 })
    const stream = client.messages.stream(ask(model))
    let text = ''
    stream.on('text', (piece) => {
      text += piece
    })
    await expect(stream.finalMessage()).rejects.toBeInstanceOf(Anthropic.APIError)
    expect(text.length).toBeGreaterThan(0)
  })
})

it('stops the upstream when it goes away in mid-stream', async () => {
  script('qwen', { tokens: 10_000, interTokenMs: 20 })
  const stream = client.messages.stream(ask('qwen', { max_tokens: 100_000 }))
  for await (const event of stream) if (event.type === 'content_block_delta') break
  await until(() => recorder.stats().models['qwen']?.aborted === 1)
})

it('counts tokens and lists models without calling anybody', async () => {
  const { model, messages } = ask('claude')
  expect((await client.messages.countTokens({ model, messages })).input_tokens).toBeGreaterThan(0)
  const ids: string[] = []
  for await (const listed of client.models.list()) ids.push(listed.id)
  expect(ids).toEqual(['claude', 'qwen', 'llama'])
  await expect(createClient('sk-wrong').messages.create(ask('qwen'))).rejects.toBeInstanceOf(
    Anthropic.AuthenticationError,
  )
  expect(recorder.stats().models).toEqual({})
})
