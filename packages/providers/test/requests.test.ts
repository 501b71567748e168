import { InferqError } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { ollamaChatBody, ollamaEmbedBody, ollamaGenerateBody } from '../src/ollama-request.ts'
import { choicesAsked, openAIBody } from '../src/openai-request.ts'
import { createTokenTally, estimatePromptTokens, parseUsage } from '../src/usage.ts'

const user = (content: unknown) => ({ messages: [{ role: 'user', content }] })

function paramOf(make: () => unknown): string | undefined {
  try {
    make()
  } catch (error) {
    if (error instanceof InferqError && error.code === 'upstream_invalid_request') return error.detail.param
    throw error
  }
  throw new Error('not refused')
}

const body = (
  upstream: Partial<Parameters<typeof openAIBody>[0]>,
  request: Record<string, unknown>,
  options: Parameters<typeof openAIBody>[2] = {},
) => openAIBody({ provider: 'openai', model: 'm', baseUrl: 'http://127.0.0.1:9/v1', ...upstream }, request, options)

describe('the body for an OpenAI-compatible upstream', () => {
  const upstream = { model: 'real', defaults: { temperature: 0.2, max_tokens: 100 } }

  it("has the upstream's model, the client's unknown fields, and nothing of ours", () => {
    const request = { model: 'public', messages: [], top_k: 3, cache: { ttl: 1 }, service_tier: 'flex', temperature: 1 }
    expect(body(upstream, request)).toEqual({ model: 'real', messages: [], top_k: 3, temperature: 1, max_tokens: 100 })
    expect(request.model).toBe('public')
  })

  it("has the call's model where a wildcard matched one", () => {
    expect(body(upstream, {}, { model: 'matched' })['model']).toBe('matched')
  })

  it('always asks for usage when it streams, and keeps the other options of the stream', () => {
    expect(body({}, { stream: false, stream_options: { include_obfuscation: false } }, { stream: true })).toEqual({
      model: 'm',
      stream: true,
      stream_options: { include_obfuscation: false, include_usage: true },
    })
    const whole = body({}, { stream: true, stream_options: { include_usage: true } }, { stream: false })
    expect(whole).toEqual({ model: 'm' })
  })

  it('takes a default where the client said nothing or null, but not beside an alias', () => {
    expect(body(upstream, { temperature: null })).toMatchObject({ temperature: 0.2, max_tokens: 100 })
    expect(body(upstream, { max_completion_tokens: 5 })).not.toHaveProperty('max_tokens')
    const ours = { defaults: { service_tier: 'flex' } }
    expect(body(ours, { service_tier: 'priority' })).toEqual({ model: 'm', service_tier: 'flex' })
  })

  it.each([
    ['o3-mini', { max_tokens: 5 }, { max_completion_tokens: 5 }],
    ['gpt-5-nano', { max_tokens: 5, max_completion_tokens: 6 }, { max_completion_tokens: 6 }],
    ['gpt-5-nano', { max_tokens: null }, {}],
    ['gpt-4o', { max_tokens: 5 }, { max_tokens: 5 }],
    ['llama-3', { max_completion_tokens: 5 }, { max_completion_tokens: 5 }],
  ])('bounds the answer of %s, asked with %j, by %j', (model, request, expected) => {
    expect(body({ model }, request)).toEqual({ model, ...expected })
  })

  it('for Mistral has its names, no options of the stream, and no fields that it refuses', () => {
    const messages = [
      { role: 'user', content: 'a', name: 'Ada' },
      { role: 'assistant', content: 'b', reasoning_content: 'thinking', refusal: null },
    ]
    const request = { messages, seed: 7, max_completion_tokens: 9, user: 'u', store: true, logprobs: true }
    expect(body({ provider: 'mistral' }, request, { stream: true })).toEqual({
      model: 'm',
      stream: true,
      random_seed: 7,
      max_tokens: 9,
      logprobs: true,
      messages: [
        { role: 'user', content: 'a', name: 'Ada' },
        { role: 'assistant', content: 'b' },
      ],
    })
    expect(messages[1]).toHaveProperty('reasoning_content')
  })

  it('for Groq has no names in messages', () => {
    const sent = body({ provider: 'groq' }, { messages: [{ role: 'user', content: 'a', name: 'Ada' }] })
    expect(sent['messages']).toEqual([{ role: 'user', content: 'a' }])
  })

  it('for Azure asks for usage from the first version that knows how', () => {
    const options = (version: string, baseUrl = 'https://x.openai.azure.com') =>
      body({ provider: 'azure', baseUrl, credentials: { api_version: version } }, {}, { stream: true })[
        'stream_options'
      ]
    expect(options('2024-06-01')).toBeUndefined()
    expect(options('2024-08-01-preview')).toBeUndefined()
    expect(options('2024-09-01-preview')).toEqual({ include_usage: true })
    expect(options('2025-03-01-preview')).toEqual({ include_usage: true })
    expect(options('preview')).toEqual({ include_usage: true })
    expect(options('2024-06-01', 'https://x.openai.azure.com/openai/v1')).toEqual({ include_usage: true })
  })

  it.each([
    ['vllm', {}, { continue_final_message: true, add_generation_prompt: false }],
    ['mistral', { prefix: true }, {}],
    ['deepseek', { prefix: true }, {}],
  ])('for %s goes on with a given beginning', (provider, flags, fields) => {
    const request = { messages: [{ role: 'user', content: 'Count.' }], echo: undefined }
    expect(body({ provider }, request, { given: 'one two' })).toEqual({
      model: 'm',
      ...(provider === 'vllm' ? {} : { echo: undefined }),
      messages: [
        { role: 'user', content: 'Count.' },
        { role: 'assistant', content: 'one two', ...flags },
      ],
      ...fields,
    })
  })

  it("joins the given beginning to the client's own where the client had given one", () => {
    const user = { role: 'user', content: 'Count.' }
    const own = { role: 'assistant', content: 'one' }
    const last = (provider: string, request: Record<string, unknown>, given = ' two') =>
      (body({ provider }, request, { given })['messages'] as unknown[]).slice(1)
    expect(last('vllm', { messages: [user, own], continue_final_message: true })).toEqual([
      { role: 'assistant', content: 'one two' },
    ])
    expect(last('vllm', { messages: [user, own] })).toEqual([own, { role: 'assistant', content: ' two' }])
    const flagged = { ...own, prefix: true }
    expect(last('mistral', { messages: [user, flagged] })).toEqual([{ ...flagged, content: 'one two' }])
    // Mistral says the beginning again: it is part of what was given.
    expect(last('mistral', { messages: [user, flagged] }, 'one two')).toEqual([{ ...flagged, content: 'one two' }])
  })

  it('lets a continued answer be only as long as is left of it', () => {
    const given = 'The quick brown fox jumps over the lazy dog.'
    const bound = (provider: string, request: Record<string, unknown>, defaults: Record<string, unknown> = {}) =>
      body({ provider, defaults }, { messages: [], ...request }, { given })
    const { max_tokens: left } = bound('vllm', { max_tokens: 100 })
    expect(left).toBeGreaterThan(80)
    expect(left).toBeLessThan(95)
    expect(bound('vllm', { max_completion_tokens: 100 })['max_completion_tokens']).toBe(left)
    expect(bound('vllm', {}, { max_tokens: 100 })['max_tokens']).toBe(left)
    expect(bound('vllm', { max_tokens: 3 })['max_tokens']).toBe(1)
    expect(bound('vllm', {})).not.toHaveProperty('max_tokens')
  })

  it('counts the choices asked for', () => {
    expect(choicesAsked({})).toBe(1)
    expect(choicesAsked({ n: 3, prompt: 'a' })).toBe(3)
    expect(choicesAsked({ n: 2, prompt: ['a', 'b'] })).toBe(4)
    expect(choicesAsked({ prompt: [1, 2, 3] })).toBe(1)
    expect(choicesAsked({ n: null })).toBe(1)
  })
})

describe('the body for Ollama', () => {
  const upstream = { model: 'llama', options: { num_ctx: 8192, keep_alive: '30m' } }

  it('maps sampling to options, keeps the load options of the class, and takes none from the client', () => {
    const request = {
      ...user('hi'),
      temperature: 0.5,
      max_tokens: 7,
      max_completion_tokens: 9,
      stop: 'END',
      seed: 3,
      presence_penalty: 1,
      top_p: null,
      num_ctx: 4,
      options: { num_ctx: 4 },
      keep_alive: 0,
    }
    expect(ollamaChatBody(upstream, request, true)).toEqual({
      model: 'llama',
      stream: true,
      keep_alive: '30m',
      options: { num_ctx: 8192, temperature: 0.5, seed: 3, presence_penalty: 1, stop: ['END'], num_predict: 9 },
      messages: [{ role: 'user', content: 'hi' }],
    })
  })

  it('maps a conversation with images, reasoning and tools both ways', () => {
    const messages = [
      { role: 'developer', content: 'Be short.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is' },
          { type: 'text', text: 'this?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        reasoning_content: 'look it up',
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":"it"}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'a river' },
    ]
    const tools = [{ type: 'function', function: { name: 'look' } }]
    expect(ollamaChatBody({ model: 'm' }, { messages, tools }, false)).toEqual({
      model: 'm',
      stream: false,
      tools,
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'What is\nthis?', images: ['AAAA'] },
        {
          role: 'assistant',
          content: '',
          thinking: 'look it up',
          tool_calls: [{ id: 'c1', function: { name: 'look', arguments: { at: 'it' } } }],
        },
        { role: 'tool', content: 'a river', tool_name: 'look', tool_call_id: 'c1' },
      ],
    })
  })

  it.each([
    [{ response_format: { type: 'json_object' } }, { format: 'json' }],
    [
      { response_format: { type: 'json_schema', json_schema: { schema: { type: 'object' } } } },
      { format: { type: 'object' } },
    ],
    [{ response_format: { type: 'text' } }, {}],
    [{ reasoning_effort: 'none' }, { think: false }],
    [{ reasoning_effort: 'high' }, { think: 'high' }],
    [{ think: true, reasoning_effort: 'low' }, { think: true }],
    [
      { logprobs: true, top_logprobs: 2 },
      { logprobs: true, top_logprobs: 2 },
    ],
    [{ tools: [{ type: 'function', function: { name: 'a' } }], tool_choice: 'none' }, {}],
    [
      {
        tools: [{ function: { name: 'a' } }, { function: { name: 'b' } }],
        tool_choice: { type: 'function', function: { name: 'b' } },
      },
      { tools: [{ function: { name: 'b' } }] },
    ],
  ])('maps %j', (fields, expected) => {
    const body = ollamaChatBody({ model: 'm' }, { ...user('hi'), ...fields }, false)
    expect(body).toEqual({ model: 'm', stream: false, messages: [{ role: 'user', content: 'hi' }], ...expected })
  })

  it.each([
    [
      user([{ type: 'image_url', image_url: { url: 'https://example.org/a.png' } }]),
      'messages[0].content[0].image_url.url',
    ],
    [user([{ type: 'image_url', image_url: 'http://a' }]), 'messages[0].content[0].image_url'],
    [user([{ type: 'input_audio', input_audio: {} }]), 'messages[0].content[0].type'],
    [user(7), 'messages[0].content'],
    [{ messages: [{ role: 'critic', content: 'x' }] }, 'messages[0].role'],
    [{ messages: 'x' }, 'messages'],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'c', function: { name: 'f', arguments: '{' } }] }] },
      'messages[0].tool_calls[0].function.arguments',
    ],
    [{ ...user('x'), n: 2 }, 'n'],
    [{ ...user('x'), response_format: { type: 'grammar' } }, 'response_format.type'],
    [{ ...user('x'), response_format: { type: 'json_schema' } }, 'response_format.json_schema.schema'],
    [{ ...user('x'), reasoning_effort: 'frantic' }, 'reasoning_effort'],
    [{ ...user('x'), tools: [{ function: { name: 'a' } }], tool_choice: { function: { name: 'z' } } }, 'tool_choice'],
  ])('refuses %j and names the field', (request, param) => {
    expect(paramOf(() => ollamaChatBody({ model: 'm' }, request, true))).toBe(param)
  })

  it('of a text completion takes one prompt, and refuses tokens, several prompts, echo and log probabilities', () => {
    expect(ollamaGenerateBody(upstream, { prompt: ['a'], suffix: 'z' }, false)).toMatchObject({
      prompt: 'a',
      suffix: 'z',
    })
    const refusedParam = (request: Record<string, unknown>) =>
      paramOf(() => ollamaGenerateBody(upstream, request, false))
    expect(refusedParam({ prompt: [1, 2] })).toBe('prompt')
    expect(refusedParam({ prompt: ['a', 'b'] })).toBe('prompt')
    expect(refusedParam({ prompt: 'a', echo: true })).toBe('echo')
    expect(refusedParam({ prompt: 'a', best_of: 2 })).toBe('best_of')
    expect(refusedParam({ prompt: 'a', logprobs: 0 })).toBe('logprobs')
  })

  it('of embeddings takes texts, does not cut them short unasked, and refuses tokens', () => {
    expect(ollamaEmbedBody(upstream, { input: 'a', dimensions: 8, user: 'u' })).toEqual({
      model: 'llama',
      input: ['a'],
      truncate: false,
      dimensions: 8,
      keep_alive: '30m',
      options: { num_ctx: 8192 },
    })
    expect(ollamaEmbedBody({ model: 'm', defaults: { truncate: true } }, { input: ['a'] })['truncate']).toBe(true)
    for (const input of [[1, 2], [[1, 2]], [], undefined]) {
      expect(paramOf(() => ollamaEmbedBody(upstream, { input }))).toBe('input')
    }
  })
})

describe('usage', () => {
  it('is read in the words of OpenAI and its cousins, and only when it is a count', () => {
    expect(parseUsage({ prompt_tokens: 3, completion_tokens: 0, prompt_cache_hit_tokens: 2 })).toEqual({
      promptTokens: 3,
      completionTokens: 0,
      cachedTokens: 2,
    })
    expect(parseUsage({ prompt_tokens: -1, completion_tokens: '4' })).toBeUndefined()
    for (const nothing of [null, undefined, {}, [], 'x', { prompt_tokens: 1.5 }])
      expect(parseUsage(nothing)).toBeUndefined()
  })

  it('of a prompt is estimated from its texts, tokens and tools', () => {
    expect(estimatePromptTokens({ prompt: [1, 2, 3] })).toBe(3)
    const short = estimatePromptTokens(user('The quick brown fox jumps over the lazy dog.'))
    expect(short).toBeGreaterThan(9)
    expect(short).toBeLessThan(20)
    const parts = user([{ type: 'text', text: 'The quick brown fox jumps over the lazy dog.' }])
    expect(estimatePromptTokens(parts)).toBe(short)
    expect(estimatePromptTokens({ ...parts, tools: [{ function: { name: 'weather' } }] })).toBeGreaterThan(short)
  })

  it('of an output in pieces is about that of the whole', () => {
    const words = Array.from({ length: 9_000 }, (_, index) => (index % 7 === 6 ? ' river.' : ' patient'))
    const tally = createTokenTally()
    for (const word of words) tally.add(word)
    const whole = createTokenTally()
    whole.add(words.join(''))
    expect(Math.abs(tally.total() - whole.total())).toBeLessThan(20)
  })
})
