import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { continuesPrefix } from '../src/ai-sdk/continues-prefix.ts'
import { createAiSdkProvider } from '../src/ai-sdk/index.ts'
import type { SdkWire } from '../src/ai-sdk/sdk.ts'
import type { Upstream } from '../src/index.ts'
import { call, failureOf, patientTimeouts, silentSink } from './support.ts'

// What goes over each wire for a request of OpenAI's: the upstream takes it down, refuses it, and says no more.
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Taken {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON was sent, asserted in the tests
  readonly body: any
}

async function listening(answer: { status?: number; headers?: Record<string, string>; body?: string } = {}) {
  const taken: Taken[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => {
      taken.push({ url: request.url ?? '', headers: request.headers, body: JSON.parse(text) })
      response.writeHead(answer.status ?? 500, answer.headers).end(answer.body)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken }
}

function provider(wire: SdkWire, baseUrl: string, over: Partial<Upstream> = {}) {
  const model = wire === 'anthropic' ? 'claude-sonnet-4-5' : 'some-model'
  const made = createAiSdkProvider(
    { id: 'asked', provider: wire, wire, model, baseUrl, apiKey: 'test-key', timeouts: patientTimeouts, ...over },
    {},
  )
  closing.push(() => made.close())
  return made
}

/** What reaches the upstream for this request. */
async function sent(wire: SdkWire, request: Record<string, unknown>, over: Partial<Upstream> = {}): Promise<Taken> {
  const { url, taken } = await listening()
  await failureOf(provider(wire, url, over).chat(call(request, { stream: false }), silentSink))
  const [first] = taken
  if (first === undefined) throw new Error('nothing was sent')
  return first
}

const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
const conversation = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: [{ type: 'text', text: 'What is this?' }, picture] },
  {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"left"}' } },
      { id: 'call_2', type: 'function', function: { name: 'look', arguments: '' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: 'a cat' },
  { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'a dog' }] },
  { role: 'developer', content: 'And kind.' },
]
const tools = [{ type: 'function', function: { name: 'look', description: 'Looks.', parameters: { type: 'object' } } }]

describe('a conversation with pictures and tools goes out', () => {
  it('as Anthropic wants it: instructions apart, results of one turn together', async () => {
    const { body, url, headers } = await sent('anthropic', { messages: conversation, tools, max_tokens: 99 })
    expect(url).toBe('/messages')
    expect(headers).toMatchObject({
      'x-api-key': 'test-key',
      'anthropic-version': '2023-06-01',
      'user-agent': 'inferq',
    })
    expect(body.system).toEqual([
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'And kind.' },
    ])
    expect(body.messages).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'left' } },
          { type: 'tool_use', id: 'call_2', name: 'look', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'call_1', content: 'a cat' },
          { type: 'tool_result', tool_use_id: 'call_2', content: 'a dog' },
        ],
      },
    ])
    expect(body.tools).toMatchObject([{ name: 'look', description: 'Looks.', input_schema: { type: 'object' } }])
    expect(body.max_tokens).toBe(99)
  })

  it('as Gemini wants it', async () => {
    const { body, url, headers } = await sent('gemini', { messages: conversation, tools })
    expect(url).toBe('/models/some-model:generateContent')
    expect(headers['x-goog-api-key']).toBe('test-key')
    expect(body.systemInstruction).toEqual({ parts: [{ text: 'Be brief.' }, { text: 'And kind.' }] })
    expect(body.contents.map(({ role }: { role: string }) => role)).toEqual(['user', 'model', 'user'])
    expect(body.contents[0].parts[1]).toEqual({ inlineData: { mimeType: 'image/png', data: 'AAAA' } })
    expect(body.contents[1].parts).toMatchObject([
      { functionCall: { name: 'look', args: { at: 'left' } } },
      { functionCall: { name: 'look', args: {} } },
    ])
    expect(body.contents[2].parts).toMatchObject([
      { functionResponse: { name: 'look', response: { content: 'a cat' } } },
      { functionResponse: { name: 'look', response: { content: 'a dog' } } },
    ])
  })

  it('as Cohere wants it', async () => {
    const { body, url, headers } = await sent('cohere', { messages: conversation, tools, top_p: 0.5, top_k: 3 })
    expect(url).toBe('/chat')
    expect(headers['authorization']).toBe('Bearer test-key')
    expect(body.messages.map(({ role }: { role: string }) => role)).toEqual([
      'system',
      'system',
      'user',
      'assistant',
      'tool',
      'tool',
    ])
    expect(body.messages[2].content[1]).toEqual({
      type: 'image_url',
      image_url: { url: 'data:image/png;base64,AAAA' },
    })
    expect(body).toMatchObject({ p: 0.5, k: 3 })
  })

  it('as Bedrock wants it', async () => {
    const { body, url, headers } = await sent('bedrock', { messages: conversation, tools, stop: 'END' })
    expect(url).toBe('/model/some-model/converse')
    expect(headers['authorization']).toBe('Bearer test-key')
    expect(body.system).toEqual([{ text: 'Be brief.' }, { text: 'And kind.' }])
    expect(body.messages[0].content[1]).toEqual({ image: { format: 'png', source: { bytes: 'AAAA' } } })
    expect(body.messages[2].content).toMatchObject([
      { toolResult: { toolUseId: 'call_1' } },
      { toolResult: { toolUseId: 'call_2' } },
    ])
    expect(body.inferenceConfig).toEqual({ stopSequences: ['END'] })
  })
})

describe('what a client asks for beside the messages', () => {
  it('is a tool that must be called, and only one at a time', async () => {
    const choice = { type: 'function', function: { name: 'look' } }
    const { body } = await sent('anthropic', { tools, tool_choice: choice, parallel_tool_calls: false, user: 'ann' })
    expect(body.tool_choice).toEqual({ type: 'tool', name: 'look', disable_parallel_tool_use: true })
    expect(body.metadata).toEqual({ user_id: 'ann' })
  })

  it.each(['anthropic', 'gemini', 'cohere', 'bedrock'] as const)(
    'is JSON of a schema, in the words of %s',
    async (wire) => {
      const schema = {
        type: 'object',
        properties: { a: { type: 'string' } },
        required: ['a'],
        additionalProperties: false,
      }
      const { body } = await sent(wire, {
        response_format: { type: 'json_schema', json_schema: { name: 'x', schema } },
      })
      expect(JSON.stringify(body)).toContain('"properties":{"a":{"type":"string"}}')
    },
  )

  it('is any JSON object, which Claude is held to by a tool', async () => {
    const { body } = await sent('anthropic', { response_format: { type: 'json_object' } })
    expect(body.tools).toMatchObject([{ name: 'json' }])
    const gemini = await sent('gemini', { response_format: { type: 'json_object' } })
    expect(gemini.body.generationConfig.responseMimeType).toBe('application/json')
  })

  it('is thinking within the limit of tokens, not beyond it', async () => {
    const thinking = { type: 'enabled', budget_tokens: 2_000 }
    const { body } = await sent('anthropic', { thinking, max_tokens: 5_000 })
    expect(body).toMatchObject({ max_tokens: 5_000, thinking: { type: 'enabled', budget_tokens: 2_000 } })
    const gemini = await sent('gemini', { thinking })
    expect(gemini.body.generationConfig.thinkingConfig).toEqual({ includeThoughts: true, thinkingBudget: 2_000 })
    const cohere = await sent('cohere', { thinking: { type: 'disabled' } })
    expect(cohere.body.thinking).toEqual({ type: 'disabled' })
  })

  it('is an effort of reasoning, whose thoughts are shown', async () => {
    const { body } = await sent('gemini', { reasoning_effort: 'low' }, { model: 'gemini-2.5-flash' })
    expect(body.generationConfig.thinkingConfig).toMatchObject({ includeThoughts: true })
    expect(body.generationConfig.thinkingConfig.thinkingBudget).toBeGreaterThan(0)
  })

  it('is a cached beginning, as LiteLLM writes it', async () => {
    const control = { cache_control: { type: 'ephemeral' } }
    const messages = [
      { role: 'system', content: [{ type: 'text', text: 'Long.', ...control }] },
      { role: 'user', content: 'Hi' },
    ]
    const { body } = await sent('anthropic', { messages })
    expect(body.system).toEqual([{ type: 'text', text: 'Long.', ...control }])
    const bedrock = await sent('bedrock', { messages })
    expect(bedrock.body.system).toEqual([{ text: 'Long.' }, { cachePoint: { type: 'default' } }])
  })

  it('is the mark of the cache wherever Anthropic takes one, and that a tool failed', async () => {
    const control = { cache_control: { type: 'ephemeral' } }
    const called = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' }, ...control }
    const { body } = await sent('anthropic', {
      tools: [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } }, ...control }],
      messages: [
        { role: 'user', content: 'Look.' },
        { role: 'assistant', content: [{ type: 'text', text: 'I will.', ...control }], tool_calls: [called] },
        { role: 'tool', tool_call_id: 'call_1', content: 'It is dark.', is_error: true, ...control },
      ],
    })
    expect(body.tools).toMatchObject([{ name: 'look', ...control }])
    expect(body.messages[1].content).toMatchObject([
      { type: 'text', ...control },
      { type: 'tool_use', ...control },
    ])
    expect(body.messages[2].content).toEqual([
      { type: 'tool_result', tool_use_id: 'call_1', content: 'It is dark.', is_error: true, ...control },
    ])
  })

  it('is an effort in Anthropic’s own words, which asks nobody to think', async () => {
    const hi = { messages: [{ role: 'user', content: 'Hi' }], reasoning_effort: 'low' }
    const asked = { ...hi, output_config: { effort: 'low' } }
    const over = { model: 'claude-opus-4-8' }
    const { body } = await sent('anthropic', asked, over)
    expect(body).toMatchObject({ output_config: { effort: 'low' } })
    expect(body).not.toHaveProperty('thinking')
    const schema = { type: 'object', properties: {}, additionalProperties: false }
    const format = { type: 'json_schema', json_schema: { name: 'a', schema } }
    const formatted = await sent('anthropic', { ...asked, response_format: format }, over)
    expect(formatted.body.output_config).toMatchObject({ effort: 'low', format: { type: 'json_schema' } })
    for (const wire of ['gemini', 'cohere'] as const) {
      const { body: other } = await sent(wire, { ...asked, cache_control: { type: 'ephemeral' } })
      expect(JSON.stringify(other)).not.toMatch(/output_config|cache_control/)
    }
  })

  it('is thinking and thought signatures of an earlier answer, given back', async () => {
    const turn = (message: Record<string, unknown>) => [
      { role: 'user', content: 'Go' },
      { role: 'assistant', content: null, ...message },
      { role: 'tool', tool_call_id: 'c', content: 'done' },
    ]
    const called = { id: 'c', type: 'function', function: { name: 'look', arguments: '{}' } }
    const block = { type: 'thinking', thinking: 'Hm.', signature: 'sig-1' }
    const claude = await sent('anthropic', {
      messages: turn({ tool_calls: [called], thinking_blocks: [block], reasoning_content: 'Hm.' }),
      tools,
    })
    expect(claude.body.messages[1].content).toMatchObject([block, { type: 'tool_use' }])
    const signed = { ...called, extra_content: { google: { thought_signature: 'sig-2' } } }
    const gemini = await sent('gemini', { messages: turn({ tool_calls: [signed] }), tools })
    expect(gemini.body.contents[1].parts).toMatchObject([{ functionCall: {}, thoughtSignature: 'sig-2' }])
  })

  it('is passed on where only the upstream knows it, and left out where it is OpenAI’s alone', async () => {
    const request = {
      safetySettings: [1],
      generationConfig: { mediaResolution: 'LOW' },
      store: true,
      service_tier: 'flex',
    }
    const { body } = await sent('gemini', { ...request, temperature: 0.1 })
    expect(body).toMatchObject({ safetySettings: [1], generationConfig: { mediaResolution: 'LOW', temperature: 0.1 } })
    expect(Object.keys(body)).not.toContain('store')
    const bedrock = await sent('bedrock', { top_a: 1, metadata: { a: 'b' } })
    expect(bedrock.body.additionalModelRequestFields).toEqual({ top_a: 1 })
  })

  it('fills up from the defaults of the deployment, under the operator’s headers', async () => {
    const { body, headers } = await sent(
      'anthropic',
      { temperature: 0.3 },
      {
        defaults: { temperature: 1, max_tokens: 7 },
        headers: { 'X-Api-Key': 'their-own', 'Anthropic-Beta': 'beta-1' },
      },
    )
    expect(body).toMatchObject({ temperature: 0.3, max_tokens: 7 })
    expect(headers).toMatchObject({ 'x-api-key': 'their-own', 'anthropic-beta': 'beta-1' })
  })
})

describe('what a wire has no way to say is refused by its name, and nothing is sent', () => {
  it.each([
    ['anthropic', { n: 2 }, 'n'],
    ['gemini', { logprobs: true }, 'logprobs'],
    ['cohere', { functions: [{}] }, 'functions'],
    ['anthropic', { messages: 'hi' }, 'messages'],
    ['anthropic', { messages: [{ role: 'robot', content: 'x' }] }, 'messages[0].role'],
    ['anthropic', { messages: [{ role: 'user', content: [{ type: 'video_url' }] }] }, 'messages[0].content[0].type'],
    ['gemini', { tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    ['gemini', { tool_choice: { type: 'allowed_tools' } }, 'tool_choice'],
    ['cohere', { response_format: { type: 'grammar' } }, 'response_format.type'],
    ['cohere', { reasoning_effort: 'a lot' }, 'reasoning_effort'],
    ['cohere', { thinking: { type: 'maybe' } }, 'thinking.type'],
    [
      'bedrock',
      { messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.b/c.png' } }] }] },
      'messages[0].content[0].image_url.url',
    ],
    [
      'anthropic',
      { messages: [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }] }] },
      'messages[0].content[0].input_audio',
    ],
    ['anthropic', { messages: [{ role: 'tool', tool_call_id: 'x', content: 'y' }] }, 'messages[0].tool_call_id'],
  ] as const)('%s: %o', async (wire, request, param) => {
    const { url, taken } = await listening()
    const error = await failureOf(provider(wire, url).chat(call(request), silentSink))
    expect(error.detail).toMatchObject({ code: 'upstream_invalid_request', param })
    expect(taken).toEqual([])
  })

  it.each([
    ['anthropic', 'hi', 'model'],
    ['gemini', [1, 2], 'input'],
    ['cohere', [], 'input'],
  ] as const)('%s: embeddings of %o', async (wire, input, param) => {
    const { url, taken } = await listening()
    const { request, signal, requestId } = call({ input })
    const error = await failureOf(provider(wire, url).embed({ request, signal, requestId }))
    expect(error.detail).toMatchObject({ code: 'upstream_invalid_request', param })
    expect(taken).toEqual([])
  })
})

describe('embeddings', () => {
  it('of more texts than a request of the upstream takes come back in order, one each', async () => {
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (piece: Buffer) => {
        text += piece.toString()
      })
      request.on('end', () => {
        const { inputText } = JSON.parse(text) as { inputText: string }
        response.end(JSON.stringify({ embedding: [Number(inputText)], inputTextTokenCount: 2 }))
      })
    })
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    closing.push(() => new Promise((resolve) => server.close(resolve)))
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const titan = provider('bedrock', baseUrl, { model: 'amazon.titan-embed-text-v2:0' })
    const { request, signal, requestId } = call({ input: Array.from({ length: 11 }, (_, index) => `${index}`) })
    const { result, usage } = await titan.embed({ request, signal, requestId })
    expect((result['data'] as { embedding: number[] }[]).map(({ embedding }) => embedding[0])).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ])
    expect(usage).toEqual({ promptTokens: 22, completionTokens: 0 })
  })

  it('of Cohere are for storing and refuse what is too long, unless asked otherwise', async () => {
    const { url, taken } = await listening()
    const cohere = provider('cohere', url)
    for (const over of [{}, { input_type: 'search_query', truncate: 'end' }]) {
      const { request, signal, requestId } = call({ input: 'a', ...over })
      await failureOf(cohere.embed({ request, signal, requestId }))
    }
    expect(taken.map(({ body }) => [body.input_type, body.truncate])).toEqual([
      ['search_document', 'NONE'],
      ['search_query', 'END'],
    ])
  })
})

describe('Bedrock', () => {
  it('is asked with signed requests where there are AWS keys, and its region is in the address', async () => {
    const { url, taken } = await listening()
    const aws = {
      aws_access_key_id: 'AKIATESTTESTTEST0001',
      aws_secret_access_key: 'secret-of-the-account',
      aws_session_token: 'token-of-the-session',
      aws_region_name: 'eu-west-3',
    }
    const { apiKey: _, ...upstream } = {
      id: 'signed',
      provider: 'bedrock',
      wire: 'bedrock',
      model: 'm',
      apiKey: 'none',
      baseUrl: url,
      credentials: aws,
      timeouts: patientTimeouts,
    } as const
    const made = createAiSdkProvider(upstream, {})
    closing.push(() => made.close())
    await failureOf(made.chat(call({ some_field: 1 }), silentSink))
    const [first] = taken
    expect(first?.headers['authorization']).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIATESTTESTTEST0001\/\d{8}\/eu-west-3\/bedrock\/aws4_request/,
    )
    expect(first?.headers['x-amz-security-token']).toBe('token-of-the-session')
    expect(JSON.stringify(first)).not.toContain('secret-of-the-account')
  })

  it('is asked without credentials where there are none, whatever the environment of the process holds', async () => {
    const { url, taken } = await listening({ status: 403 })
    const upstream = { id: 'bare', provider: 'bedrock', wire: 'bedrock', model: 'm', baseUrl: url } as const
    const made = createAiSdkProvider({ ...upstream, timeouts: patientTimeouts }, {})
    closing.push(() => made.close())
    expect((await failureOf(made.chat(call({}), silentSink))).code).toBe('upstream_authentication')
    expect(taken[0]?.headers['authorization']).toBeUndefined()
  })
})

describe('a beginning is continued', () => {
  it.each([
    ['anthropic', 'claude-3-5-haiku-20241022', true],
    ['anthropic', 'claude-2.1', true],
    ['anthropic', 'claude-sonnet-4-20250514', true],
    ['anthropic', 'claude-opus-4-1-20250805', true],
    ['anthropic', 'claude-haiku-4-5', true],
    ['anthropic', 'claude-sonnet-4-6', false],
    ['anthropic', 'claude-opus-4-8', false],
    ['anthropic', 'claude-sonnet-5', false],
    ['anthropic', 'claude-opus-5-5-20261101', false],
    ['anthropic', 'claude-fable-5', false],
    ['anthropic', 'claude-*', false],
    ['anthropic', 'MiniMax-M2', true],
    ['bedrock', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', true],
    ['bedrock', 'eu.anthropic.claude-opus-4-6-v1', false],
    ['bedrock', 'amazon.nova-pro-v1:0', false],
    ['gemini', 'gemini-3-pro', false],
    ['cohere', 'command-a', false],
  ] as const)('on the wire %s by %s: %s', (wire, model, expected) => {
    expect(continuesPrefix(wire, model)).toBe(expected)
  })

  it('as a last message of the assistant without the white space at its end, and without thinking', async () => {
    const { url, taken } = await listening()
    const request = { thinking: { type: 'enabled', budget_tokens: 2_000 }, response_format: { type: 'json_object' } }
    await failureOf(provider('anthropic', url).chat(call(request, { continueFrom: 'Once upon a ' }), silentSink))
    expect(taken[0]?.body.messages.at(-1)).toEqual({
      role: 'assistant',
      content: [{ type: 'text', text: 'Once upon a' }],
    })
    expect(Object.keys(taken[0]?.body)).not.toContain('thinking')
    expect(Object.keys(taken[0]?.body)).not.toContain('tools')
  })
})
