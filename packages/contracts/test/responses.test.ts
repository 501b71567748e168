import { describe, expect, it } from 'vitest'
import {
  type CreateResponseRequest,
  InferqError,
  inputItemsOf,
  jobIdOfItem,
  jobIdOfResponse,
  responseEcho,
  responseFault,
  responseIdOf,
  responseObject,
  toChatRequest,
} from '../src/index.ts'

const chatOf = (request: object, previous: readonly Readonly<Record<string, unknown>>[] = []) => {
  const asked = { model: 'chat', ...request } as CreateResponseRequest
  return toChatRequest(asked, previous, inputItemsOf(asked))
}
const messagesOf = (...input: object[]) => chatOf({ input })['messages']
const user = { role: 'user', content: 'Hi' }
const call = (id: string) => ({ type: 'function_call', call_id: id, name: 'f', arguments: '{}' })
const output = (id: string, value: unknown = 'ok') => ({ type: 'function_call_output', call_id: id, output: value })
const toolCall = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } })

describe('a request for a response as a chat completion', () => {
  it.each<[string, object, object]>([
    ['text', { input: 'Hi' }, { messages: [user] }],
    [
      'instructions',
      { input: 'Hi', instructions: 'Be brief.' },
      { messages: [{ role: 'system', content: 'Be brief.' }, user] },
    ],
    ['a bound on the length', { input: 'Hi', max_output_tokens: 5 }, { messages: [user], max_completion_tokens: 5 }],
    [
      'reasoning',
      { input: 'Hi', reasoning: { effort: 'low', summary: 'auto' } },
      { messages: [user], reasoning_effort: 'low' },
    ],
    [
      'a JSON schema',
      { input: 'Hi', text: { format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true } } },
      {
        messages: [user],
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      },
    ],
    [
      'JSON',
      { input: 'Hi', text: { format: { type: 'json_object' } } },
      { messages: [user], response_format: { type: 'json_object' } },
    ],
    ['verbosity', { input: 'Hi', text: { verbosity: 'low', format: null } }, { messages: [user], verbosity: 'low' }],
    [
      'tools',
      {
        input: 'Hi',
        tools: [{ type: 'function', name: 'f', description: 'd', parameters: { type: 'object' }, strict: true }],
        tool_choice: { type: 'function', name: 'f' },
        parallel_tool_calls: false,
      },
      {
        messages: [user],
        tools: [
          { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true } },
        ],
        tool_choice: { type: 'function', function: { name: 'f' } },
        parallel_tool_calls: false,
      },
    ],
    [
      'allowed tools',
      {
        input: 'Hi',
        tools: [
          { type: 'function', name: 'f' },
          { type: 'function', name: 'g' },
        ],
        tool_choice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'g' }] },
      },
      { messages: [user], tools: [{ type: 'function', function: { name: 'g' } }], tool_choice: 'required' },
    ],
    ['no tools', { input: 'Hi', tools: [], tool_choice: 'auto', parallel_tool_calls: true }, { messages: [user] }],
    [
      'log probabilities',
      { input: 'Hi', include: ['message.output_text.logprobs'], top_logprobs: 2 },
      { messages: [user], logprobs: true, top_logprobs: 2 },
    ],
    [
      'what is meant for the upstream',
      { input: 'Hi', seed: 7, top_k: 3, user: 'u' },
      { messages: [user], seed: 7, top_k: 3, user: 'u' },
    ],
    [
      'what says nothing',
      { input: 'Hi', temperature: null, tools: null, include: null, background: null },
      { messages: [user] },
    ],
    [
      'what inferq keeps to itself',
      { input: 'Hi', store: true, metadata: { a: 'b' }, truncation: 'disabled', stream_options: {}, max_tool_calls: 3 },
      { messages: [user] },
    ],
  ])('has %s', (_what, request, chat) => {
    expect(chatOf(request)).toEqual({ model: 'chat', ...chat })
  })

  it('has parts of messages in the words of chat completions', () => {
    const content = [
      { type: 'input_text', text: 'What is it?' },
      { type: 'input_image', image_url: 'data:image/png;base64,AA==', detail: 'low' },
      { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' },
    ]
    expect(
      messagesOf({ role: 'user', content }, { role: 'developer', content: [{ type: 'input_text', text: 'x' }] }),
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is it?' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail: 'low' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA==' } },
        ],
      },
      { role: 'system', content: 'x' },
    ])
  })

  it('makes one turn of what the assistant said and called, and passes over its reasoning', () => {
    const said = {
      type: 'message',
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'Let me ' },
        { type: 'refusal', refusal: 'not.' },
      ],
    }
    expect(
      messagesOf(
        user,
        { type: 'reasoning', id: 'rs_1', summary: [] },
        said,
        call('a'),
        call('b'),
        output('a'),
        output('b'),
      ),
    ).toEqual([
      user,
      { role: 'assistant', content: 'Let me not.', tool_calls: [toolCall('a'), toolCall('b')] },
      { role: 'tool', tool_call_id: 'a', content: 'ok' },
      { role: 'tool', tool_call_id: 'b', content: 'ok' },
    ])
    expect(messagesOf(user, call('a'), { role: 'assistant', content: 'Done.' }, output('a'))).toMatchObject([
      user,
      { role: 'assistant', content: 'Done.', tool_calls: [toolCall('a')] },
      { role: 'tool' },
    ])
  })

  it('gives upstreams back what they prove their thoughts and calls by', () => {
    const blocks = [{ type: 'thinking', thinking: 'Hmm.', signature: 'abc' }]
    const extra = { google: { thought_signature: 'xyz' } }
    const message = {
      content: null,
      reasoning_content: 'Hmm.',
      thinking_blocks: blocks,
      tool_calls: [{ ...toolCall('a'), extra_content: extra }],
    }
    const facts = { jobId: 'job_1', model: 'chat', createdAt: 0, status: 'completed' as const }
    const object = responseObject({ ...facts, result: { choices: [{ message }] } }, responseEcho({ model: 'chat' }))
    const items = object['output'] as readonly Readonly<Record<string, unknown>>[]
    expect(messagesOf(user, ...items, output('a'))).toEqual([
      user,
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ ...toolCall('a'), extra_content: extra }],
        thinking_blocks: blocks,
      },
      { role: 'tool', tool_call_id: 'a', content: 'ok' },
    ])
    for (const strange of ['x', 'inferq1.', 'inferq1.e30', null, 7]) {
      const reasoning = { type: 'reasoning', summary: [], encrypted_content: strange }
      expect(messagesOf(user, reasoning, { role: 'assistant', content: 'Hi' })).toEqual([
        user,
        { role: 'assistant', content: 'Hi' },
      ])
    }
  })

  it('has the output of tools as a text where it is one', () => {
    const texts = [
      { type: 'input_text', text: 'one' },
      { type: 'input_text', text: 'two' },
    ]
    const image = { type: 'input_image', image_url: 'https://x/y.png' }
    const messages = messagesOf(user, call('a'), call('b'), output('a', texts), output('b', [image]))
    expect(messages).toMatchObject([
      {},
      {},
      { content: 'one\ntwo' },
      { content: [{ type: 'image_url', image_url: { url: 'https://x/y.png' } }] },
    ])
  })

  it('refuses what nobody could answer', () => {
    const refusal = (request: object) => {
      try {
        chatOf(request)
      } catch (thrown) {
        if (thrown instanceof InferqError) return thrown.detail.param
      }
      return 'nothing'
    }
    expect(refusal({ input: [user, call('a')] })).toBe('input')
    expect(refusal({ input: [output('a')] })).toBe('input[0].call_id')
    expect(refusal({ input: [user, call('a'), { type: 'function_call_output', call_id: 'a' }] })).toBe(
      'input[2].output',
    )
    expect(refusal({ instructions: 'Be brief.' })).toBe('input')
    expect(refusal({ input: 'Hi', reasoning: { mode: 'pro' } })).toBe('reasoning.mode')
    expect(refusal({ input: 'Hi', tools: [{ type: 'function', name: 'f', defer_loading: true }] })).toBe(
      'tools[0].defer_loading',
    )
  })
})

describe('a response object', () => {
  const echo = responseEcho({ model: 'chat', input: 'Hi' })
  const facts = { jobId: 'job_1', model: 'chat', createdAt: 5_000 }
  const result = (message: object) => ({ choices: [{ index: 0, message }] })

  it.each([
    ['queued', undefined, 'queued'],
    ['in_progress', undefined, 'in_progress'],
    ['completed', 'stop', 'completed'],
    ['completed', 'tool_calls', 'completed'],
    ['completed', 'length', 'incomplete'],
    ['completed', 'content_filter', 'incomplete'],
    ['failed', undefined, 'failed'],
    ['expired', undefined, 'failed'],
    ['cancelled', undefined, 'cancelled'],
  ] as const)('of a job that is %s (%s) is %s', (status, finishReason, expected) => {
    const object = responseObject({ ...facts, status, endedAt: 9_000, finishReason: finishReason ?? null }, echo)
    expect(object).toMatchObject({ id: 'resp_1', status: expected, created_at: 5 })
    expect(object['completed_at']).toBe(expected === 'completed' ? 9 : null)
    expect(object['error'] === null).toBe(expected !== 'failed')
  })

  it('has its items in order, each with an id that follows from the job', () => {
    const message = {
      content: 'Hi',
      reasoning: 'Hmm.',
      refusal: 'No.',
      tool_calls: [{ function: { name: 'f', arguments: '{}' } }],
    }
    expect(responseObject({ ...facts, status: 'completed', result: result(message) }, echo)['output']).toEqual([
      {
        id: 'rs_1_0',
        type: 'reasoning',
        summary: [],
        content: [{ type: 'reasoning_text', text: 'Hmm.' }],
        status: 'completed',
      },
      {
        id: 'msg_1_0',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'Hi', annotations: [], logprobs: [] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { id: 'fc_1_0', type: 'function_call', status: 'completed', call_id: 'call_1_0', name: 'f', arguments: '{}' },
    ])
  })

  it('takes any result, and texts in parts', () => {
    for (const odd of [
      null,
      7,
      {},
      { choices: 'x' },
      { choices: [] },
      { choices: [null] },
      { choices: [{ message: null }] },
    ]) {
      const [item] = responseObject({ ...facts, status: 'completed', result: odd }, echo)['output'] as object[]
      expect(item).toMatchObject({ type: 'message', content: [{ text: '' }] })
    }
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ]
    const { output: items } = responseObject(
      { ...facts, status: 'completed', result: result({ content: parts }) },
      echo,
    )
    expect(items).toMatchObject([{ content: [{ text: 'ab' }] }])
  })
})

describe('ids', () => {
  it('lead from a response and its items to the job, and from nothing else', () => {
    expect(jobIdOfResponse(responseIdOf('job_01ab'))).toBe('job_01ab')
    for (const id of ['msg_01ab_0', 'fc_01ab_12', 'rs_01ab_0', 'fco_01ab_i3', 'item_01ab_i0'])
      expect(jobIdOfItem(id)).toBe('job_01ab')
    for (const id of ['', 'resp_', 'resp_A', 'resp_1/2', 'job_1', `resp_${'a'.repeat(61)}`])
      expect(jobIdOfResponse(id)).toBeNull()
    for (const id of ['msg_1', 'msg__0', 'fc_68_abc', 'ws_1_0']) expect(jobIdOfItem(id)).toBeNull()
  })
})

describe('a fault of the chat completion', () => {
  it.each([
    ['messages[3].content[0].image_url', 'input'],
    ['response_format.json_schema.schema', 'text.format.schema'],
    ['tools[2].function.name', 'tools[2].name'],
    ['tool_choice.function.name', 'tool_choice.name'],
    ['max_completion_tokens', 'max_output_tokens'],
    ['reasoning_effort', 'reasoning.effort'],
    ['temperature', 'temperature'],
  ])('about %s is one about %s', (param, expected) => {
    const fault = responseFault({ code: 'invalid_value', message: `Invalid value for '${param}'.`, param })
    expect(fault).toMatchObject({ param: expected, message: `Invalid value for '${expected}'.` })
  })
})
