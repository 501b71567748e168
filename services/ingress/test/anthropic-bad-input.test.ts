import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { call } from './support/http.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench({ bodyBytes: 4_096 })
})
afterAll(() => bench.close())

const hello = { model: 'chat', max_tokens: 10, messages: [{ role: 'user', content: 'Hi' }] }
const said = (role: string, ...content: unknown[]) => ({ ...hello, messages: [{ role, content }] })
const user = (...content: unknown[]) => said('user', ...content)
const assistant = (...content: unknown[]) => said('assistant', ...content)
const tools = (...list: unknown[]) => ({ ...hello, tools: list })
const tool = { name: 'f', input_schema: { type: 'object' } }
const { max_tokens: _, ...unbounded } = hello
const at = 'messages[0].content[0]'

/** What a client may get wrong, and the field that the answer has to name. */
const rows: readonly (readonly [what: string, body: unknown, param: string | undefined, code?: string])[] = [
  ['a body that is an array', [], undefined],
  ['a body that is null', null, undefined],
  ['no model', { ...hello, model: undefined }, 'model', 'missing_required_parameter'],
  ['a model that is a number', { ...hello, model: 5 }, 'model'],
  ['an empty model', { ...hello, model: '' }, 'model'],
  ['no bound on the answer', unbounded, 'max_tokens', 'missing_required_parameter'],
  ['a bound of zero', { ...hello, max_tokens: 0 }, 'max_tokens'],
  ['half a token', { ...hello, max_tokens: 1.5 }, 'max_tokens'],
  ['a bound in words', { ...hello, max_tokens: '10' }, 'max_tokens'],
  ['no messages', { ...hello, messages: undefined }, 'messages', 'missing_required_parameter'],
  ['empty messages', { ...hello, messages: [] }, 'messages'],
  ['messages that are a text', { ...hello, messages: 'Hi' }, 'messages'],
  ['a message that is a text', { ...hello, messages: ['Hi'] }, 'messages[0]'],
  [
    'a message without a role',
    { ...hello, messages: [{ content: 'Hi' }] },
    'messages[0].role',
    'missing_required_parameter',
  ],
  ['an unknown role', said('robot', { type: 'text', text: 'a' }), 'messages[0].role'],
  [
    'a message without content',
    { ...hello, messages: [{ role: 'user' }] },
    'messages[0].content',
    'missing_required_parameter',
  ],
  ['a content that is a number', { ...hello, messages: [{ role: 'user', content: 5 }] }, 'messages[0].content'],
  ['a block that is a text', user('Hi'), at],
  ['a block without a type', user({ text: 'Hi' }), `${at}.type`, 'missing_required_parameter'],
  ['a block of an unknown type', user({ type: 'hologram' }), `${at}.type`, 'unsupported_parameter'],
  ['a text block without text', user({ type: 'text' }), `${at}.text`, 'missing_required_parameter'],
  ['a text that is a number', user({ type: 'text', text: 5 }), `${at}.text`],
  ['an image without a source', user({ type: 'image' }), `${at}.source`, 'missing_required_parameter'],
  [
    'an image of a kept file',
    user({ type: 'image', source: { type: 'file', file_id: 'f' } }),
    `${at}.source.type`,
    'unsupported_parameter',
  ],
  [
    'an image without data',
    user({ type: 'image', source: { type: 'base64', media_type: 'image/png' } }),
    `${at}.source.data`,
    'missing_required_parameter',
  ],
  [
    'an image of no type',
    user({ type: 'image', source: { type: 'base64', media_type: 'x', data: '' } }),
    `${at}.source.media_type`,
  ],
  ['a source that is a text', user({ type: 'image', source: 'x' }), `${at}.source`],
  [
    'a document to cite',
    user({ type: 'document', citations: { enabled: true }, source: { type: 'text', data: 'a' } }),
    `${at}.citations.enabled`,
    'unsupported_parameter',
  ],
  [
    'a document within a document',
    user({ type: 'document', source: { type: 'content', content: [{ type: 'document' }] } }),
    `${at}.source.content[0].type`,
    'unsupported_parameter',
  ],
  [
    'a call of a tool by the user',
    user({ type: 'tool_use', id: 'a', name: 'f', input: {} }),
    `${at}.type`,
    'unsupported_parameter',
  ],
  [
    'a result without its call',
    user({ type: 'tool_result', content: 'a' }),
    `${at}.tool_use_id`,
    'missing_required_parameter',
  ],
  ['a result that is an object', user({ type: 'tool_result', tool_use_id: 'a', content: { a: 1 } }), `${at}.content`],
  ['a failure in words', user({ type: 'tool_result', tool_use_id: 'a', is_error: 'yes' }), `${at}.is_error`],
  ['an image of the assistant', assistant({ type: 'image', source: {} }), `${at}.type`, 'unsupported_parameter'],
  [
    'a tool of their service called',
    assistant({ type: 'server_tool_use', id: 'a', name: 'web_search', input: {} }),
    `${at}.type`,
    'unsupported_parameter',
  ],
  [
    'a call without input',
    assistant({ type: 'tool_use', id: 'a', name: 'f' }),
    `${at}.input`,
    'missing_required_parameter',
  ],
  ['a call with a list as input', assistant({ type: 'tool_use', id: 'a', name: 'f', input: [] }), `${at}.input`],
  [
    'a call without an id',
    assistant({ type: 'tool_use', name: 'f', input: {} }),
    `${at}.id`,
    'missing_required_parameter',
  ],
  [
    'a hidden thought without data',
    assistant({ type: 'redacted_thinking' }),
    `${at}.data`,
    'missing_required_parameter',
  ],
  ['a system prompt that is an object', { ...hello, system: {} }, 'system'],
  ['an image as system prompt', { ...hello, system: [{ type: 'image' }] }, 'system[0].type', 'unsupported_parameter'],
  ['tools that are an object', { ...hello, tools: {} }, 'tools'],
  [
    'a tool of their service',
    tools({ type: 'web_search_20250305', name: 'web_search' }),
    'tools[0].type',
    'unsupported_parameter',
  ],
  ['a tool without a name', tools({ input_schema: {} }), 'tools[0].name', 'missing_required_parameter'],
  ['a tool without a schema', tools(tool, { name: 'g' }), 'tools[1].input_schema', 'missing_required_parameter'],
  ['a schema that is a text', tools({ name: 'g', input_schema: 'x' }), 'tools[0].input_schema'],
  [
    'a tool to be searched for',
    tools({ ...tool, defer_loading: true }),
    'tools[0].defer_loading',
    'unsupported_parameter',
  ],
  [
    'a tool for code alone',
    tools({ ...tool, allowed_callers: ['code_execution_20260120'] }),
    'tools[0].allowed_callers',
    'unsupported_parameter',
  ],
  ['an unknown choice', { ...hello, tool_choice: { type: 'maybe' } }, 'tool_choice.type'],
  [
    'the choice of no tool by name',
    { ...tools(tool), tool_choice: { type: 'tool' } },
    'tool_choice.name',
    'missing_required_parameter',
  ],
  ['the choice of a tool without tools', { ...hello, tool_choice: { type: 'tool', name: 'f' } }, 'tool_choice'],
  ['thinking in words', { ...hello, thinking: 'hard' }, 'thinking'],
  ['an unknown way to think', { ...hello, thinking: { type: 'deep' } }, 'thinking.type'],
  ['a budget of nothing', { ...hello, thinking: { type: 'enabled', budget_tokens: 0 } }, 'thinking.budget_tokens'],
  ['an unknown effort', { ...hello, output_config: { effort: 'huge' } }, 'output_config.effort'],
  [
    'a format without a schema',
    { ...hello, output_config: { format: { type: 'json_schema' } } },
    'output_config.format.schema',
    'missing_required_parameter',
  ],
  ['stop sequences that are a text', { ...hello, stop_sequences: 'END' }, 'stop_sequences'],
  ['an empty stop sequence', { ...hello, stop_sequences: [''] }, 'stop_sequences[0]'],
  ['a temperature too high', { ...hello, temperature: 3 }, 'temperature'],
  ['a negative top_p', { ...hello, top_p: -1 }, 'top_p'],
  ['half a top_k', { ...hello, top_k: 0.5 }, 'top_k'],
  ['a stream in words', { ...hello, stream: 'yes' }, 'stream'],
  ['a user that is a number', { ...hello, metadata: { user_id: 5 } }, 'metadata.user_id'],
  ['an unknown tier', { ...hello, service_tier: 'gold' }, 'service_tier'],
  ['servers of tools', { ...hello, mcp_servers: [{ url: 'https://a' }] }, 'mcp_servers', 'unsupported_parameter'],
  ['a container', { ...hello, container: 'c_1' }, 'container', 'unsupported_parameter'],
  ['several answers', { ...hello, n: 2 }, 'n', 'unsupported_parameter'],
]

interface Envelope {
  readonly type: string
  readonly error: {
    readonly type: string
    readonly message: string
    readonly details: { error_code: string; param?: string }
  }
  readonly request_id: string
}

const send = (path: string, init: Parameters<typeof call>[1]) => call(`${bench.url}${path}`, init)

describe('a malformed message', () => {
  it.each(rows)(
    'with %s is refused, naming the field, and nothing is queued',
    async (_what, body, param, code = 'invalid_value') => {
      const response = await send('/v1/messages', { json: body })
      const envelope = (await response.json()) as Envelope
      expect(envelope).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
      expect([response.status, envelope.error.details.param, envelope.error.details.error_code]).toEqual([
        400,
        param,
        code,
      ])
      if (param !== undefined) expect(envelope.error.message).toContain(`'${param}'`)
      expect(envelope.request_id).toBe(response.headers.get('request-id'))
      expect(bench.core.exchanges.size).toBe(0)
    },
  )

  it('is refused the same where its tokens are to be counted', async () => {
    const response = await send('/v1/messages/count_tokens', { json: user({ type: 'text' }) })
    expect([response.status, ((await response.json()) as Envelope).error.details.param]).toEqual([400, `${at}.text`])
  })

  it('that is no JSON, too large, of another type or for an unknown model has its own status', async () => {
    const large = 'x'.repeat(5_000)
    const cases = [
      [{ text: '{"model":' }, 400, 'invalid_request_error'],
      [{ json: { ...hello, system: large } }, 413, 'request_too_large'],
      [{ text: 'model=chat', headers: { 'content-type': 'text/plain' } }, 415, 'invalid_request_error'],
      [{ json: { ...hello, model: 'nope' } }, 404, 'not_found_error'],
    ] as const
    for (const [init, status, type] of cases) {
      const response = await send('/v1/messages', { method: 'POST', ...init })
      expect(response.status).toBe(status)
      expect(await response.json()).toMatchObject({ type: 'error', error: { type } })
    }
    expect(await bench.redis.keys(`${bench.server.keys.namespace}:*`)).toEqual([])
  })
})
