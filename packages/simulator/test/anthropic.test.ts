import { describe, expect, it } from 'vitest'
import { call, chat, post, startSimulator } from './support.ts'

describe('Anthropic', () => {
  const headers = { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }
  const ask = (more: Record<string, unknown> = {}) => ({ ...chat('hi'), max_tokens: 100, ...more })

  it('streams the events the Messages API streams', async () => {
    const { url } = await startSimulator({ models: { m: { reasoning: 'Hm', text: 'Hi.' } } })
    const { text, headers: answered } = await post(url, '/v1/messages', ask({ stream: true }), headers)
    const event = (type: string, rest: string) => `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`
    const usage = (output: string) =>
      `{"input_tokens":1,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":${output},"service_tier":"standard"}`
    expect(text).toBe(
      event(
        'message_start',
        ',"message":{"id":"msg_sim1","type":"message","role":"assistant","model":"m","content":[],' +
          `"stop_reason":null,"stop_sequence":null,"usage":${usage('1')}}`,
      ) +
        event('ping', '') +
        event('content_block_start', ',"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}') +
        event('content_block_delta', ',"index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}') +
        event('content_block_delta', ',"index":0,"delta":{"type":"signature_delta","signature":"c2ltdWxhdGVk"}') +
        event('content_block_stop', ',"index":0') +
        event('content_block_start', ',"index":1,"content_block":{"type":"text","text":""}') +
        event('content_block_delta', ',"index":1,"delta":{"type":"text_delta","text":"Hi"}') +
        event('content_block_delta', ',"index":1,"delta":{"type":"text_delta","text":"."}') +
        event('content_block_stop', ',"index":1') +
        event(
          'message_delta',
          ',"delta":{"stop_reason":"end_turn","stop_sequence":null},' +
            `"usage":${usage('3,"output_tokens_details":{"thinking_tokens":1}')}`,
        ) +
        event('message_stop', ''),
    )
    expect(answered['request-id']).toBe('req_sim1')
  })

  it('answers whole with blocks, the stop sequence and cached tokens apart', async () => {
    const usage = { prompt_tokens: 90, prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 20 } }
    const { url } = await startSimulator({ models: { m: { text: 'one two', usage } } })
    const { json } = await post(url, '/anthropic/v1/messages', ask({ stop_sequences: [' two'] }), headers)
    expect(json()).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'one' }],
      stop_reason: 'stop_sequence',
      stop_sequence: ' two',
      usage: { input_tokens: 30, cache_read_input_tokens: 40, cache_creation_input_tokens: 20, output_tokens: 1 },
    })
  })

  it.each([
    [{ status: 401 }, 401, 'authentication_error', 'invalid x-api-key'],
    [{ status: 404 }, 404, 'not_found_error', 'does not exist'],
    [{ status: 429 }, 429, 'rate_limit_error', 'rate limit'],
    [{ status: 500 }, 500, 'api_error', 'Internal server error'],
    [{ status: 529 }, 529, 'overloaded_error', 'Overloaded'],
    [
      { status: 400, code: 'context_length_exceeded' },
      400,
      'invalid_request_error',
      /^prompt is too long: \d+ tokens > 200000 maximum$/,
    ],
  ])('answers %j as %i %s', async (fault, status, type, message) => {
    const { url } = await startSimulator()
    const refused = await post(url, '/v1/messages', ask({ sim: { fault } }), headers)
    expect(refused.status).toBe(status)
    const words: unknown =
      typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message)
    expect(refused.json()).toEqual({ type: 'error', error: { type, message: words }, request_id: 'req_simulated' })
  })

  it('tells a prompt that is too long from a prompt that leaves no room for the answer', async () => {
    const { url } = await startSimulator({ models: { m: { contextTokens: 20 } } })
    const long = await post(url, '/v1/messages', { ...ask(), ...chat('x'.repeat(100)) }, headers)
    expect(long.json().error.message).toBe('prompt is too long: 25 tokens > 20 maximum')
    const asked = await post(url, '/v1/messages', ask(), headers)
    expect(asked.json().error.message).toContain('input length and `max_tokens` exceed context limit: 1 + 100 > 20')
  })

  it('requires a key and a version', async () => {
    const { url } = await startSimulator()
    const keyless = await post(url, '/v1/messages', ask(), { 'anthropic-version': '2023-06-01' })
    expect([keyless.status, keyless.json().error.type]).toEqual([401, 'authentication_error'])
    const versionless = await post(url, '/v1/messages', ask(), { 'x-api-key': 'k' })
    expect([versionless.status, versionless.json().error.type]).toEqual([400, 'invalid_request_error'])
  })

  it('takes system blocks, images and tool results', async () => {
    const { url } = await startSimulator({
      models: { m: { text: 'Seen.', toolCalls: [{ name: 'f', arguments: {} }] } },
    })
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }
    const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: 'ok' }
    const body = ask({
      system: [{ type: 'text', text: 'Be kind.' }],
      tools: [{ name: 'f', input_schema: { type: 'object' } }],
      messages: [
        { role: 'user', content: [image] },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'f', input: {} }] },
        { role: 'user', content: [result] },
      ],
    })
    expect((await post(url, '/v1/messages', body, headers)).json()).toMatchObject({
      content: [{ type: 'text', text: 'Seen.' }],
      stop_reason: 'end_turn',
    })
  })

  it.each([
    [{ max_tokens: undefined }, 'max_tokens: Field required'],
    [{ messages: [] }, 'at least one message'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'assistant', content: 'ends in ' }] }, 'cannot end with trailing whitespace'],
    [{ tool_choice: { type: 'any' } }, 'tool_choice'],
    [{ sim: { ttft: 1 } }, 'sim.ttft'],
  ])('refuses %j', async (more, message) => {
    const { url } = await startSimulator()
    const { status, json } = await post(url, '/v1/messages', ask(more), headers)
    expect([status, json().error.type]).toEqual([400, 'invalid_request_error'])
    expect(json().error.message).toContain(message)
  })

  it('counts tokens and lists models, beside OpenAI on the same path', async () => {
    const { url } = await startSimulator({ models: { a: {}, b: {} }, strictModels: true })
    expect((await post(url, '/v1/messages/count_tokens', chat('12345678'), headers)).json()).toEqual({
      input_tokens: 2,
    })
    const theirs = JSON.parse((await call(url, '/v1/models', undefined, { headers })).text) as unknown
    expect(theirs).toMatchObject({ data: [{ type: 'model', id: 'a' }, { id: 'b' }], has_more: false, last_id: 'b' })
    expect(JSON.parse((await call(url, '/v1/models')).text)).toMatchObject({ object: 'list' })
    const unknown = await post(url, '/v1/messages', ask({ model: 'c' }), headers)
    expect([unknown.status, unknown.json().error.type]).toEqual([404, 'not_found_error'])
  })
})
