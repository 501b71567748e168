import type { MessagesRequest } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { toChatPrompt, toChatRequest } from '../src/anthropic/request.ts'

const base = { model: 'chat', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] }
const translate = (body: object) => toChatRequest({ ...base, ...body } as MessagesRequest)
const messagesOf = (messages: unknown, system?: unknown) =>
  translate({ messages, ...(system === undefined ? {} : { system }) })['messages']
const user = (...content: object[]) => [{ role: 'user', content }]
const assistant = (...content: object[]) => [{ role: 'assistant', content }]

const cached = { cache_control: { type: 'ephemeral', ttl: '1h' } }
const png = { type: 'base64', media_type: 'image/png', data: 'iVBORw0=' }
const pdf = { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' }

describe('the fields of a request', () => {
  const rows: readonly (readonly [what: string, given: object, expected: object])[] = [
    ['the bound, and nothing that was not said', {}, { ...base }],
    ['stop sequences', { stop_sequences: ['END', '\n\n'] }, { stop: ['END', '\n\n'] }],
    ['no stop sequences at all', { stop_sequences: [] }, { stop: undefined }],
    ['sampling', { temperature: 0.2, top_p: 0.9, top_k: 40 }, { temperature: 0.2, top_p: 0.9, top_k: 40 }],
    ['a stream', { stream: true }, { stream: true }],
    ['the user', { metadata: { user_id: 'u-1' } }, { user: 'u-1', metadata: undefined }],
    ['other metadata', { metadata: { user_id: null, team: 'a' } }, { user: undefined, metadata: { team: 'a' } }],
    ['the standard tier', { service_tier: 'standard_only' }, { service_tier: 'default' }],
    ['the automatic tier', { service_tier: 'auto' }, { service_tier: 'auto' }],
    [
      'a budget for thinking',
      { thinking: { type: 'enabled', budget_tokens: 2048 } },
      { thinking: { type: 'enabled', budget_tokens: 2048 } },
    ],
    ['no thinking', { thinking: { type: 'disabled' } }, { thinking: { type: 'disabled' } }],
    ['effort', { output_config: { effort: 'high' } }, { reasoning_effort: 'high', output_config: { effort: 'high' } }],
    [
      'a schema for the answer',
      { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } },
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'output', schema: { type: 'object' }, strict: true },
        },
      },
    ],
    [
      'the same as the beta had it',
      { output_format: { type: 'json_schema', schema: { type: 'array' } } },
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'output', schema: { type: 'array' }, strict: true },
        },
        output_format: undefined,
      },
    ],
    ['automatic caching', cached, cached],
    ['what nobody here knows', { seed: 7, some_new_thing: { a: 1 } }, { seed: 7, some_new_thing: { a: 1 } }],
    [
      'advice to their service',
      { context_management: { edits: [] }, speed: 'fast' },
      { context_management: undefined, speed: undefined },
    ],
    [
      'nothing that is null',
      { system: null, tools: null, top_k: null, container: null },
      { tools: undefined, top_k: undefined, container: undefined },
    ],
    [
      'a choice of any tool',
      { tool_choice: { type: 'any' } },
      { tool_choice: 'required', parallel_tool_calls: undefined },
    ],
    ['no tool', { tool_choice: { type: 'none' } }, { tool_choice: 'none' }],
    [
      'one tool at a time',
      { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
      { tool_choice: 'auto', parallel_tool_calls: false },
    ],
    [
      'a tool by its name',
      { tool_choice: { type: 'tool', name: 'f' }, tools: [{ name: 'f', input_schema: {} }] },
      { tool_choice: { type: 'function', function: { name: 'f' } } },
    ],
    [
      'tools, with the mark of the cache',
      {
        tools: [
          { name: 'f', description: 'd', input_schema: { type: 'object' }, strict: true, ...cached },
          { type: 'custom', name: 'g', input_schema: {} },
        ],
      },
      {
        tools: [
          {
            type: 'function',
            function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true },
            ...cached,
          },
          { type: 'function', function: { name: 'g', parameters: {} } },
        ],
      },
    ],
  ]
  it.each(rows)('say %s', (_what, given, expected) => {
    const chat = translate(given)
    expect(chat).toMatchObject(Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== undefined)))
    for (const [name, value] of Object.entries(expected)) if (value === undefined) expect(chat).not.toHaveProperty(name)
  })

  it('make a prompt to count without a bound on the answer', () => {
    const { max_tokens: _, ...body } = base
    expect(toChatPrompt({ ...body, system: 'S' } as never)).toEqual({
      model: 'chat',
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'Hi' },
      ],
    })
  })
})

describe('the messages of a request', () => {
  const rows: readonly (readonly [what: string, given: unknown, expected: unknown, system?: unknown])[] = [
    ['a text', [{ role: 'user', content: 'Hi' }], [{ role: 'user', content: 'Hi' }]],
    ['one block of text as a text', user({ type: 'text', text: 'Hi' }), [{ role: 'user', content: 'Hi' }]],
    [
      'blocks with the marks of the cache',
      user({ type: 'text', text: 'a' }, { type: 'text', text: 'b', ...cached }),
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'a' },
            { type: 'text', text: 'b', ...cached },
          ],
        },
      ],
    ],
    [
      'a system prompt in blocks',
      [{ role: 'user', content: 'Hi' }],
      [
        { role: 'system', content: [{ type: 'text', text: 'S', ...cached }] },
        { role: 'user', content: 'Hi' },
      ],
      [{ type: 'text', text: 'S', ...cached }],
    ],
    ['a system message on the way', [{ role: 'system', content: 'S' }], [{ role: 'system', content: 'S' }]],
    [
      'images by content and by address',
      user({ type: 'image', source: png }, { type: 'image', source: { type: 'url', url: 'https://a/b.png' } }),
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0=' } },
            { type: 'image_url', image_url: { url: 'https://a/b.png' } },
          ],
        },
      ],
    ],
    [
      'a PDF by content and by address',
      user(
        { type: 'document', source: pdf, title: 'a.pdf', ...cached },
        { type: 'document', source: { type: 'url', url: 'https://a/b.pdf' } },
      ),
      [
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.pdf' }, ...cached },
            { type: 'file', file: { file_id: 'https://a/b.pdf', format: 'application/pdf' } },
          ],
        },
      ],
    ],
    [
      'documents of text as text',
      user(
        { type: 'document', title: 'T', context: 'C', source: { type: 'text', media_type: 'text/plain', data: 'D' } },
        { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'E' }] } },
        { type: 'search_result', title: 'R', source: 'https://a', content: [{ type: 'text', text: 'F' }] },
      ),
      [
        {
          role: 'user',
          content: [
            { type: 'text', text: '<document>\nTitle: T\nC\n\nD\n</document>' },
            { type: 'text', text: 'E' },
            { type: 'text', text: '<document>\nTitle: R\nhttps://a\n\nF\n</document>' },
          ],
        },
      ],
    ],
    [
      'results of tools before what else is said',
      user(
        { type: 'text', text: 'and now?' },
        { type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok', ...cached },
        {
          type: 'tool_result',
          tool_use_id: 'toolu_2',
          content: [
            { type: 'text', text: 'no' },
            { type: 'text', text: 'way' },
          ],
          is_error: true,
        },
        { type: 'tool_result', tool_use_id: 'toolu_3' },
      ),
      [
        { role: 'tool', tool_call_id: 'toolu_1', content: 'ok', ...cached },
        { role: 'tool', tool_call_id: 'toolu_2', content: 'no\nway', is_error: true },
        { role: 'tool', tool_call_id: 'toolu_3', content: '' },
        { role: 'user', content: 'and now?' },
      ],
    ],
    [
      'a picture in the result of a tool',
      user({ type: 'tool_result', tool_use_id: 't', content: [{ type: 'image', source: png }] }),
      [
        {
          role: 'tool',
          tool_call_id: 't',
          content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0=' } }],
        },
      ],
    ],
    [
      'a turn with thoughts, words and calls',
      assistant(
        { type: 'thinking', thinking: 'hm', signature: 'sig' },
        { type: 'redacted_thinking', data: 'xx' },
        { type: 'text', text: 'Let me look.' },
        { type: 'tool_use', id: 'toolu_1', name: 'f', input: { a: [1] } },
      ),
      [
        {
          role: 'assistant',
          content: 'Let me look.',
          reasoning_content: 'hm',
          thinking_blocks: [
            { type: 'thinking', thinking: 'hm', signature: 'sig' },
            { type: 'redacted_thinking', data: 'xx' },
          ],
          tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'f', arguments: '{"a":[1]}' } }],
        },
      ],
    ],
    [
      'calls without words, and a thought without a signature',
      assistant(
        { type: 'thinking', thinking: 'hm', signature: '' },
        { type: 'tool_use', id: 'a', name: 'f', input: {} },
      ),
      [
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'hm',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
      ],
    ],
    [
      'thoughts between two calls in their places',
      assistant(
        { type: 'thinking', thinking: 'one', signature: 's1' },
        { type: 'tool_use', id: 'a', name: 'f', input: {} },
        { type: 'thinking', thinking: 'two', signature: 's2' },
        { type: 'text', text: 'x' },
      ),
      [
        { role: 'assistant', content: null, thinking_blocks: [{ signature: 's1' }], tool_calls: [{ id: 'a' }] },
        { role: 'assistant', content: 'x', thinking_blocks: [{ signature: 's2' }] },
      ],
    ],
    [
      'a beginning of the answer',
      [...base.messages, { role: 'assistant', content: 'It is' }],
      [{ role: 'user' }, { role: 'assistant', content: 'It is' }],
    ],
    ['an empty turn', [{ role: 'user', content: [] }], [{ role: 'user', content: '' }]],
  ]
  it.each(rows)('say %s', (_what, given, expected, system) => {
    const messages = messagesOf(given, system)
    expect(messages).toMatchObject(expected as object)
    expect(messages).toHaveLength((expected as unknown[]).length)
  })

  it('lose nothing of the text that is one', () => {
    expect(messagesOf(user({ type: 'text', text: 'Hi' }))).toEqual([{ role: 'user', content: 'Hi' }])
  })
})
