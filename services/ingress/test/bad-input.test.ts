import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ bodyBytes: 4_096 })
})
afterAll(() => bench.close())

const hi = [{ role: 'user', content: 'Hi' }]
const chat = { model: 'chat', messages: hi }
const job = (request: unknown, more: object = {}) => ({ type: 'completion', request, ...more })

type Row = readonly [what: string, path: string, json: unknown, status: number, param: string | null, code: string]

/** What a client may get wrong, and the field that the answer has to name. */
const rows: readonly Row[] = [
  ['a body that is an array', '/v1/chat/completions', [], 400, null, 'invalid_value'],
  ['a body that is null', '/v1/chat/completions', null, 400, null, 'invalid_value'],
  ['no model', '/v1/chat/completions', { messages: hi }, 400, 'model', 'missing_required_parameter'],
  ['an empty model', '/v1/chat/completions', { ...chat, model: '' }, 400, 'model', 'invalid_value'],
  ['a model that is a number', '/v1/chat/completions', { ...chat, model: 5 }, 400, 'model', 'invalid_value'],
  ['an unknown model', '/v1/chat/completions', { ...chat, model: 'nope' }, 404, 'model', 'model_not_found'],
  ['a model that only embeds', '/v1/chat/completions', { ...chat, model: 'team/embed' }, 400, 'model', 'invalid_value'],
  ['no messages', '/v1/chat/completions', { model: 'chat' }, 400, 'messages', 'missing_required_parameter'],
  ['messages that are a text', '/v1/chat/completions', { ...chat, messages: 'Hi' }, 400, 'messages', 'invalid_value'],
  ['empty messages', '/v1/chat/completions', { ...chat, messages: [] }, 400, 'messages', 'invalid_value'],
  [
    'a message that is a text',
    '/v1/chat/completions',
    { ...chat, messages: ['Hi'] },
    400,
    'messages[0]',
    'invalid_value',
  ],
  [
    'a message without a role',
    '/v1/chat/completions',
    { ...chat, messages: [...hi, { content: 'x' }] },
    400,
    'messages[1].role',
    'missing_required_parameter',
  ],
  [
    'an unknown role',
    '/v1/chat/completions',
    { ...chat, messages: [{ role: 'robot', content: 'x' }] },
    400,
    'messages[0].role',
    'invalid_value',
  ],
  [
    'a content that is a number',
    '/v1/chat/completions',
    { ...chat, messages: [{ role: 'user', content: 5 }] },
    400,
    'messages[0].content',
    'invalid_value',
  ],
  [
    'an empty list of content parts',
    '/v1/chat/completions',
    { ...chat, messages: [{ role: 'user', content: [] }] },
    400,
    'messages[0].content',
    'invalid_value',
  ],
  [
    'a content part without a type',
    '/v1/chat/completions',
    { ...chat, messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }, { text: 'b' }] }] },
    400,
    'messages[0].content[1].type',
    'missing_required_parameter',
  ],
  [
    'a temperature in words',
    '/v1/chat/completions',
    { ...chat, temperature: 'hot' },
    400,
    'temperature',
    'invalid_value',
  ],
  [
    'a temperature too high',
    '/v1/chat/completions',
    { ...chat, temperature: 2.1 },
    400,
    'temperature',
    'invalid_value',
  ],
  ['a temperature as text', '/v1/chat/completions', { ...chat, temperature: '1' }, 400, 'temperature', 'invalid_value'],
  ['a negative top_p', '/v1/chat/completions', { ...chat, top_p: -0.1 }, 400, 'top_p', 'invalid_value'],
  ['no choices', '/v1/chat/completions', { ...chat, n: 0 }, 400, 'n', 'invalid_value'],
  ['half a choice', '/v1/chat/completions', { ...chat, n: 1.5 }, 400, 'n', 'invalid_value'],
  ['max_tokens of zero', '/v1/chat/completions', { ...chat, max_tokens: 0 }, 400, 'max_tokens', 'invalid_value'],
  ['stream in words', '/v1/chat/completions', { ...chat, stream: 'yes' }, 400, 'stream', 'invalid_value'],
  [
    'include_usage in words',
    '/v1/chat/completions',
    { ...chat, stream_options: { include_usage: 'yes' } },
    400,
    'stream_options.include_usage',
    'invalid_value',
  ],
  ['five stops', '/v1/chat/completions', { ...chat, stop: ['a', 'b', 'c', 'd', 'e'] }, 400, 'stop', 'invalid_value'],
  ['a stop that is no text', '/v1/chat/completions', { ...chat, stop: ['a', 1] }, 400, 'stop[1]', 'invalid_value'],
  [
    'an unknown service tier',
    '/v1/chat/completions',
    { ...chat, service_tier: 'gold' },
    400,
    'service_tier',
    'invalid_value',
  ],
  ['tools that are an object', '/v1/chat/completions', { ...chat, tools: {} }, 400, 'tools', 'invalid_value'],
  [
    'a tool without a type',
    '/v1/chat/completions',
    { ...chat, tools: [{}] },
    400,
    'tools[0].type',
    'missing_required_parameter',
  ],
  [
    'metadata with a number',
    '/v1/chat/completions',
    { ...chat, metadata: { a: 1 } },
    400,
    'metadata.a',
    'invalid_value',
  ],
  ['no prompt', '/v1/completions', { model: 'chat' }, 400, 'prompt', 'missing_required_parameter'],
  ['a prompt that is an object', '/v1/completions', { model: 'chat', prompt: {} }, 400, 'prompt', 'invalid_value'],
  ['an empty list of prompts', '/v1/completions', { model: 'chat', prompt: [] }, 400, 'prompt', 'invalid_value'],
  ['no input', '/v1/embeddings', { model: 'team/embed' }, 400, 'input', 'missing_required_parameter'],
  ['an empty input', '/v1/embeddings', { model: 'team/embed', input: '' }, 400, 'input', 'invalid_value'],
  [
    'an empty text among inputs',
    '/v1/embeddings',
    { model: 'team/embed', input: ['a', ''] },
    400,
    'input[1]',
    'invalid_value',
  ],
  [
    'token lists with a text',
    '/v1/embeddings',
    { model: 'team/embed', input: [[1, 'a']] },
    400,
    'input[0][1]',
    'invalid_value',
  ],
  ['a half token', '/v1/embeddings', { model: 'team/embed', input: [1, 2.5] }, 400, 'input[1]', 'invalid_value'],
  [
    'no dimensions',
    '/v1/embeddings',
    { model: 'team/embed', input: 'a', dimensions: 0 },
    400,
    'dimensions',
    'invalid_value',
  ],
  [
    'an unknown encoding',
    '/v1/embeddings',
    { model: 'team/embed', input: 'a', encoding_format: 'hex' },
    400,
    'encoding_format',
    'invalid_value',
  ],
  ['a chat model that shall embed', '/v1/embeddings', { model: 'nope', input: 'a' }, 404, 'model', 'model_not_found'],
  ['a job without a type', '/v1/jobs', { request: chat }, 400, 'type', 'missing_required_parameter'],
  ['a job of an unknown type', '/v1/jobs', { type: 'poem', request: chat }, 400, 'type', 'invalid_value'],
  ['a job without a request', '/v1/jobs', { type: 'completion' }, 400, 'request', 'missing_required_parameter'],
  ['a job with an unknown field', '/v1/jobs', job(chat, { urgent: true }), 400, 'urgent', 'unknown_parameter'],
  ['a job without a model', '/v1/jobs', job({ messages: hi }), 400, 'request.model', 'missing_required_parameter'],
  ['a job of an unknown model', '/v1/jobs', job({ ...chat, model: 'nope' }), 404, 'request.model', 'model_not_found'],
  [
    'a job whose message has no role',
    '/v1/jobs',
    job({ model: 'chat', messages: [{ content: 'x' }] }),
    400,
    'request.messages[0].role',
    'missing_required_parameter',
  ],
  ['a job of unknown priority', '/v1/jobs', job(chat, { priority: 'urgent' }), 400, 'priority', 'invalid_value'],
  ['a job without time', '/v1/jobs', job(chat, { finish_within_s: 0 }), 400, 'finish_within_s', 'invalid_value'],
  ['a job with much metadata', '/v1/jobs', job(chat, { metadata: manyEntries(17) }), 400, 'metadata', 'invalid_value'],
  [
    'a summarization with an unknown field',
    '/v1/jobs',
    { type: 'summarization', request: { model: 'chat', text: 'x', words: 5 } },
    400,
    'request.words',
    'unknown_parameter',
  ],
  [
    'a summary of too few words',
    '/v1/jobs',
    { type: 'summarization', request: { model: 'chat', text: 'x', max_words: 1 } },
    400,
    'request.max_words',
    'invalid_value',
  ],
  [
    'a summarization of nothing',
    '/v1/jobs',
    { type: 'summarization', request: { model: 'chat' } },
    400,
    'request.text',
    'missing_required_parameter',
  ],
  [
    'a summarization of two things',
    '/v1/jobs',
    { type: 'summarization', request: { model: 'chat', text: 'x', messages: hi } },
    400,
    'request.messages',
    'invalid_value',
  ],
  ['a page of no jobs', '/v1/jobs?limit=0', undefined, 400, 'limit', 'invalid_value'],
  ['a page size in words', '/v1/jobs?limit=ten', undefined, 400, 'limit', 'invalid_value'],
  ['an unknown status', '/v1/jobs?status=done', undefined, 400, 'status', 'invalid_value'],
  ['an unknown filter', '/v1/jobs?color=red', undefined, 400, 'color', 'unknown_parameter'],
  ['a bad position', '/v1/jobs/job_0/events?after=abc', undefined, 400, 'after', 'invalid_value'],
  ['an unknown format', '/v1/jobs/job_0/events?format=xml', undefined, 400, 'format', 'invalid_value'],
  ['a body too large', '/v1/chat/completions', { ...chat, user: 'x'.repeat(5_000) }, 413, null, 'payload_too_large'],
  ['an unknown route', '/v1/images', { model: 'chat' }, 404, null, 'route_not_found'],
]

function manyEntries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']))
}

describe('a client that gets it wrong', () => {
  it.each(rows)('is told about %s', async (_what, path, json, status, param, code) => {
    const response = await call(bench.url + path, { json })
    const body = (await response.json()) as { error: Record<string, unknown> }
    expect({ status: response.status, ...body.error }).toMatchObject({
      status,
      param,
      code,
      type: 'invalid_request_error',
    })
    expect(body.error['message']).toEqual(expect.not.stringContaining('anyOf'))
    if (param !== null && code !== 'model_not_found') expect(body.error['message']).toContain(param)
  })

  it.each([
    ['no JSON', '{"model": "chat", "messages": [', 'application/json', 400, 'invalid_json'],
    ['nothing', '', 'application/json', 400, 'invalid_value'],
    ['a prototype', '{"model":"chat","__proto__":{"a":1}}', 'application/json', 400, 'invalid_json'],
    ['plain text', '{"model":"chat"}', 'text/plain', 415, 'unsupported_media_type'],
    ['XML', '<model/>', 'application/xml', 415, 'unsupported_media_type'],
    ['a form', 'model=chat', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
  ])('is told when it sends %s', async (_what, text, type, status, code) => {
    const response = await call(`${bench.url}/v1/chat/completions`, {
      method: 'POST',
      text,
      headers: { 'content-type': type },
    })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ error: { code, param: null } })
  })

  it('is told which methods a path has', async () => {
    const response = await call(`${bench.url}/v1/chat/completions`)
    expect(response.status).toBe(405)
    expect(response.headers.get('allow')).toBe('POST')
    expect(await response.json()).toMatchObject({ error: { code: 'method_not_allowed' } })
  })

  it('is asked for a key, and told when it is wrong', async () => {
    const none = await call(`${bench.url}/v1/chat/completions`, { json: chat, key: null })
    expect(none.status).toBe(401)
    expect(none.headers.get('www-authenticate')).toBe('Bearer')
    const wrong = await call(`${bench.url}/v1/chat/completions`, { json: chat, key: 'sk-test-mastes' })
    expect(wrong.status).toBe(401)
    expect(await wrong.json()).toMatchObject({ error: { code: 'invalid_api_key', type: 'authentication_error' } })
    const long = await call(`${bench.url}/v1/models`, { key: 'k'.repeat(600) })
    expect(long.status).toBe(401)
    const anthropic = await call(`${bench.url}/v1/models`, { key: null, headers: { 'x-api-key': 'sk-test-master' } })
    expect(anthropic.status).toBe(200)
  })

  it('has queued nothing, and said nothing of its content to the log', async () => {
    expect(await bench.redis.keys(`${bench.server.keys.namespace}:*`)).toEqual([])
    expect(JSON.stringify(bench.lines)).not.toContain('robot')
    expect(bench.lines.every((line) => line['event'] !== 'request-failed')).toBe(true)
  })
})
