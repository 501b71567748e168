import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { parseJsonBody } from '../src/json-body.ts'
import { requestFault } from '../src/request-faults.ts'
import { createValidation } from '../src/validation.ts'

type Chat = Omit<OpenAI.ChatCompletionCreateParams, 'model' | 'messages'>
type Message = OpenAI.ChatCompletionMessageParam
type Text = OpenAI.CompletionCreateParams
type Embeddings = OpenAI.EmbeddingCreateParams

const validation = createValidation()
const hi: Message[] = [{ role: 'user', content: 'Hi' }]
const image = 'data:image/png;base64,AAAA'
const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' }, strict: true } } as const
const call = { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } } as const

/** As OpenAI's own types have them: the compiler sees to it that these are what their SDKs send. */
const chats: readonly Chat[] = [
  { temperature: 0, top_p: 1, n: 3, seed: -7, user: 'ann', presence_penalty: -2, frequency_penalty: 2 },
  { temperature: null, top_p: null, n: null, stop: null, max_tokens: null, stream: null, metadata: null, seed: null },
  { stop: 'x' },
  { stop: ['a', 'b', 'c', 'd'], max_tokens: 1 },
  { max_completion_tokens: 100, max_tokens: null },
  { stream: true, stream_options: { include_usage: true, include_obfuscation: false } },
  { logprobs: true, top_logprobs: 20, logit_bias: { '50256': -100, '1': 100 } },
  { service_tier: 'auto' },
  { service_tier: 'fast', store: true, metadata: { doc: '42' } },
  { reasoning_effort: 'xhigh', verbosity: 'low' },
  { reasoning_effort: null, verbosity: null, modalities: null, audio: null },
  { modalities: ['text'] },
  { tools: [tool], tool_choice: 'auto', parallel_tool_calls: false },
  { tools: [tool], tool_choice: { type: 'function', function: { name: 'f' } } },
  { tools: [{ type: 'custom', custom: { name: 'c' } }], tool_choice: { type: 'custom', custom: { name: 'c' } } },
  {
    tools: [tool],
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'function' }] } },
  },
  { tool_choice: 'none' },
  { functions: [{ name: 'f' }], function_call: { name: 'f' } },
  { response_format: { type: 'text' } },
  { response_format: { type: 'json_object' } },
  { response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } } },
  { prediction: { type: 'content', content: 'x' }, web_search_options: { search_context_size: 'low' } },
  { prompt_cache_key: 'k', safety_identifier: 's', prompt_cache_retention: '24h' },
]

const messages: readonly Message[] = [
  { role: 'developer', content: 'Be short.' },
  { role: 'system', content: [{ type: 'text', text: 'Be short.' }], name: 's' },
  { role: 'user', content: '' },
  { role: 'user', content: [{ type: 'text', text: '' }] },
  { role: 'user', content: [{ type: 'image_url', image_url: { url: image, detail: 'low' } }] },
  { role: 'user', content: [{ type: 'file', file: { file_id: 'file-1' } }] },
  { role: 'user', content: [{ type: 'file', file: { file_data: 'AAAA', filename: 'a.pdf' } }] },
  { role: 'assistant', content: 'x', refusal: null, function_call: null, audio: null },
  { role: 'assistant', content: null, tool_calls: [call] },
  { role: 'assistant', tool_calls: [{ id: 'c2', type: 'custom', custom: { name: 'c', input: '' } }] },
  { role: 'assistant', content: null, refusal: 'No.' },
  { role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] },
  { role: 'assistant', content: null, function_call: { name: 'f', arguments: '' } },
  { role: 'tool', tool_call_id: 'c1', content: '' },
  { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: 'x' }] },
  { role: 'function', name: 'f', content: null },
]

/** What others than OpenAI's own clients send, and what goes to other upstreams. */
const strangers: readonly object[] = [
  { top_k: 5, min_p: 0.1, guided_json: {}, chat_template_kwargs: { a: { b: [1] } } },
  { metadata: { tags: ['a', 'b'], doc: '1' }, tags: ['c'], mock_response: 'x' },
  { cache: { 'no-cache': true, 'no-store': false, ttl: 60, 's-maxage': 0, namespace: 'n' } },
  { thinking: { type: 'enabled', budget_tokens: 1024 } },
  { tools: [{ type: 'web_search_preview' }] },
  { messages: [{ role: 'user', content: [{ type: 'video_url', video_url: { url: 'https://a.example/b.mp4' } }] }] },
  { messages: [{ role: 'user', content: [{ type: 'text', text: 'x', cache_control: { type: 'ephemeral' } }] }] },
  { messages: [{ role: 'assistant', content: null, reasoning_content: 'Hm.' }, ...hi] },
  { messages: [{ role: 'assistant', content: null, thinking_blocks: [{ type: 'thinking' }] }, ...hi] },
]

const texts: readonly Text[] = [
  { model: 'm', prompt: '' },
  { model: 'm', prompt: ['a', 'b'], n: 2, best_of: 3, echo: true, suffix: 'x', logprobs: 5 },
  { model: 'm', prompt: [1, 2, 3] },
  { model: 'm', prompt: [[1], [2, 3]], stream: true, stream_options: { include_usage: true } },
]

const embeddings: readonly Embeddings[] = [
  { model: 'm', input: 'a' },
  { model: 'm', input: ['a', 'b'], encoding_format: 'base64', dimensions: 256, user: 'ann' },
  { model: 'm', input: [1, 2] },
  { model: 'm', input: [[1], [2, 3]], encoding_format: 'float' },
  { model: 'm', input: new Array<number>(8192).fill(7) },
]

const all = [
  ...chats.map((fields) => ['chat', { model: 'm', messages: hi, ...fields }] as const),
  ...messages.map((message) => ['chat', { model: 'm', messages: [...hi, message] }] as const),
  ...strangers.map((fields) => ['chat', { model: 'm', messages: hi, ...fields }] as const),
  ...texts.map((body) => ['text', body] as const),
  ...embeddings.map((body) => ['embeddings', body] as const),
]

describe('a request as OpenAI documents it', () => {
  it.each(all)('is taken as %s: %j', (operation, body) => {
    const read = parseJsonBody(Buffer.from(JSON.stringify(body))) as Record<string, unknown>
    validation.check(operation, read, '')
    expect(requestFault(operation, read, { mayStream: false, prefix: '' })).toBeUndefined()
    expect(read).toEqual(JSON.parse(JSON.stringify(body)))
  })

  it('may hold NUL, emoji in escapes, minus zero, a field twice, and a byte order mark', () => {
    const text = '\ufeff{"a":"\\u0000","b":"\\ud83d\\ude00","c":-0,"d":1,"d":2,"constructor":"x"}'
    expect(parseJsonBody(Buffer.from(text))).toEqual({ a: '\0', b: '😀', c: -0, d: 2, constructor: 'x' })
  })

  it('may be nested as deep as any schema is', () => {
    expect(parseJsonBody(Buffer.from('['.repeat(100) + ']'.repeat(100)))).toHaveLength(1)
  })
})
