import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Stack, startStack } from '../support/stack.ts'

/** Each model at the simulator's wire of its vendor. */
const config = `
model_list:
  - {model_name: claude, litellm_params: {model: anthropic/claude-3-5-haiku-20241022, api_base: "\${SIMULATOR}", api_key: sk-test}}
  - {model_name: gemini, litellm_params: {model: gemini/gemini-2.0-flash, api_base: "\${SIMULATOR}/v1beta", api_key: sk-test}}
  - {model_name: gemini-embed, litellm_params: {model: gemini/gemini-embedding-001, api_base: "\${SIMULATOR}/v1beta", api_key: sk-test}, model_info: {mode: embedding}}
  - {model_name: command, litellm_params: {model: cohere/command-r, api_base: "\${SIMULATOR}/v2", api_key: sk-test}}
  - {model_name: titan, litellm_params: {model: bedrock/anthropic.claude-3-haiku-20240307-v1:0, api_base: "\${SIMULATOR}", aws_access_key_id: test, aws_secret_access_key: test, aws_region_name: us-east-1}}
  - {model_name: azured, litellm_params: {model: azure/my-gpt, api_base: "\${SIMULATOR}", api_version: "2024-10-21", api_key: sk-test}}
workers: {drain_s: 3}
`

const upstreams: Readonly<Record<string, string>> = {
  claude: 'claude-3-5-haiku-20241022',
  gemini: 'gemini-2.0-flash',
  command: 'command-r',
  titan: 'anthropic.claude-3-haiku-20240307-v1:0',
  azured: 'my-gpt',
}
const models = Object.keys(upstreams)

let stack: Stack
let client: OpenAI

beforeAll(async () => {
  stack = await startStack(config)
  const [ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  client = new OpenAI({ baseURL: `${ingress.url}/v1`, apiKey: stack.masterKey, maxRetries: 0 })
})
afterEach(() => stack.simulator.reset())
afterAll(() => stack.close())

const script = (model: string, patch: Parameters<Stack['simulator']['script']>[1]) =>
  stack.simulator.script(upstreams[model] ?? model, patch)
const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
] as const

const weather = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
} as const

describe.each(models)('the official client, unchanged, through the wire of %s', (model) => {
  it('gets a whole answer with usage', async () => {
    script(model, { text: 'Hello from over there.' })
    const answer = await client.chat.completions.create({ model, messages: [...messages] })
    expect(answer.choices[0]).toMatchObject({
      message: { role: 'assistant', content: 'Hello from over there.' },
      finish_reason: 'stop',
    })
    expect(answer.usage?.completion_tokens).toBeGreaterThan(0)
    expect(answer.usage?.total_tokens).toBe((answer.usage?.prompt_tokens ?? 0) + (answer.usage?.completion_tokens ?? 0))
  })

  it('streams it as it comes', async () => {
    // What comes while somebody is busy comes together.
    script(model, { text: 'one two three four five six', interTokenMs: 150 })
    const stream = await client.chat.completions.create({ model, messages: [...messages], stream: true })
    const pieces: string[] = []
    let finish: string | null = null
    for await (const chunk of stream) {
      pieces.push(chunk.choices[0]?.delta.content ?? '')
      finish = chunk.choices[0]?.finish_reason ?? finish
    }
    expect(pieces.join('')).toBe('one two three four five six')
    expect(pieces.filter((piece) => piece !== '').length).toBeGreaterThan(2)
    expect(finish).toBe('stop')
  })

  it('has its tools called', async () => {
    script(model, { toolCalls: [{ name: 'weather', arguments: { city: 'Ulm' } }] })
    const runner = client.chat.completions.stream({ model, messages: [...messages], tools: [weather] })
    const [call] = (await runner.finalMessage()).tool_calls ?? []
    expect(call).toMatchObject({ type: 'function', function: { name: 'weather' } })
    expect(JSON.parse(call?.type === 'function' ? call.function.arguments : '')).toEqual({ city: 'Ulm' })
  })

  it('meets the errors it knows', async () => {
    script(model, { fault: { status: 400, code: 'context_length_exceeded' } })
    const tooLong = client.chat.completions.create({ model, messages: [...messages] })
    await expect(tooLong).rejects.toBeInstanceOf(OpenAI.BadRequestError)
    await expect(tooLong).rejects.toMatchObject({ code: 'context_length_exceeded' })
  })
})

it('embeds through Gemini', async () => {
  const answer = await client.embeddings.create({
    model: 'gemini-embed',
    input: ['one', 'two'],
    encoding_format: 'float',
  })
  expect(answer.data.map(({ index }) => index)).toEqual([0, 1])
  expect(answer.data[0]?.embedding.length).toBeGreaterThan(1)
})

it('hands reasoning on as reasoning_content', async () => {
  script('claude', { text: 'Yes.', reasoning: 'let me think' })
  const answer = await client.chat.completions.create({ model: 'claude', messages: [...messages] })
  expect(answer.choices[0]?.message).toMatchObject({ content: 'Yes.', reasoning_content: 'let me think' })
})
