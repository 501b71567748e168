import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createAiSdkProvider } from '../src/ai-sdk/index.ts'
import type { SdkWire } from '../src/ai-sdk/sdk.ts'
import type { ProviderDependencies, Upstream } from '../src/index.ts'
import { call, createRecorder, failureOf, patientTimeouts, silentSink, until } from './support.ts'

// The vendors' own bodies and events of failure, from their documentation and error references.
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function answering(
  wire: SdkWire,
  answer: (response: ServerResponse) => void,
  over: Partial<Upstream> = {},
  dependencies: ProviderDependencies = {},
) {
  const server = createServer((request, response) => {
    request.resume()
    request.on('end', () => answer(response))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closing.push(() => {
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    return closed
  })
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const upstream = { id: 'failing', provider: wire, wire, model: 'm', baseUrl, apiKey: 'private-key-0001' } as const
  const provider = createAiSdkProvider({ ...upstream, timeouts: patientTimeouts, ...over }, dependencies)
  closing.push(() => provider.close())
  return provider
}

const google = (code: number, status: string, message: string, details: unknown[] = []) => ({
  error: { code, message, status, details },
})
const anthropic = (type: string, message: string) => ({ type: 'error', error: { type, message }, request_id: 'req_1' })
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`

describe('a status of refusal', () => {
  it.each<[SdkWire, number, unknown, Record<string, unknown>, Record<string, string>?]>([
    ['anthropic', 529, anthropic('overloaded_error', 'Overloaded'), { code: 'upstream_overloaded' }],
    [
      'anthropic',
      429,
      anthropic('rate_limit_error', 'Number of request tokens has exceeded your per-minute rate limit'),
      { code: 'rate_limit_exceeded', retryAfterSeconds: 12 },
      { 'retry-after': '12' },
    ],
    [
      'anthropic',
      400,
      anthropic('invalid_request_error', 'prompt is too long: 208310 tokens > 200000 maximum'),
      { code: 'context_length_exceeded' },
    ],
    [
      'anthropic',
      400,
      anthropic(
        'invalid_request_error',
        'input length and `max_tokens` exceed context limit: 199000 + 8192 > 200000, decrease input length',
      ),
      { code: 'context_length_exceeded' },
    ],
    [
      'anthropic',
      400,
      anthropic('invalid_request_error', 'Output blocked by content filtering policy'),
      { code: 'content_filter' },
    ],
    [
      'anthropic',
      400,
      anthropic('invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'),
      { code: 'upstream_authentication' },
    ],
    ['anthropic', 401, anthropic('authentication_error', 'invalid x-api-key'), { code: 'upstream_authentication' }],
    ['anthropic', 404, anthropic('not_found_error', 'model: claude-9'), { code: 'upstream_not_found' }],
    [
      'anthropic',
      400,
      anthropic('invalid_request_error', 'messages.0.content: Field required'),
      { code: 'upstream_invalid_request', message: 'messages.0.content: Field required' },
    ],
    [
      'gemini',
      429,
      google(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [
        { '@type': 'type.googleapis.com/google.rpc.QuotaFailure', violations: [] },
        { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' },
      ]),
      { code: 'rate_limit_exceeded', retryAfterSeconds: 34.4 },
    ],
    [
      'gemini',
      400,
      google(400, 'INVALID_ARGUMENT', 'API key not valid. Please pass a valid API key.', [
        { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' },
      ]),
      { code: 'upstream_authentication' },
    ],
    [
      'gemini',
      400,
      google(
        400,
        'INVALID_ARGUMENT',
        'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).',
      ),
      { code: 'context_length_exceeded' },
    ],
    ['gemini', 503, google(503, 'UNAVAILABLE', 'The model is overloaded.'), { code: 'upstream_overloaded' }],
    ['gemini', 404, google(404, 'NOT_FOUND', 'models/x is not found'), { code: 'upstream_not_found' }],
    [
      'bedrock',
      429,
      { message: 'Too many requests, please wait before trying again.' },
      { code: 'rate_limit_exceeded', upstream: { status: 429, code: 'ThrottlingException' } },
      { 'x-amzn-errortype': 'ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/' },
    ],
    [
      'bedrock',
      400,
      { message: 'Input is too long for requested model.' },
      { code: 'context_length_exceeded' },
      { 'x-amzn-errortype': 'ValidationException' },
    ],
    [
      'bedrock',
      400,
      { message: 'The provided model identifier is invalid.' },
      { code: 'upstream_not_found' },
      { 'x-amzn-errortype': 'ValidationException' },
    ],
    [
      'bedrock',
      403,
      { message: 'The security token included in the request is expired' },
      { code: 'upstream_authentication' },
      { 'x-amzn-errortype': 'ExpiredTokenException' },
    ],
    [
      'bedrock',
      424,
      { message: 'The model failed.' },
      { code: 'upstream_error' },
      { 'x-amzn-errortype': 'ModelErrorException' },
    ],
    [
      'bedrock',
      408,
      { message: 'too slow' },
      { code: 'upstream_timeout' },
      { 'x-amzn-errortype': 'ModelTimeoutException' },
    ],
    ['cohere', 401, { message: 'invalid api token' }, { code: 'upstream_authentication' }],
    [
      'cohere',
      400,
      { message: 'too many tokens: total number of tokens in the prompt cannot exceed 128000 - received 130000.' },
      { code: 'context_length_exceeded' },
    ],
    ['cohere', 404, { message: "model 'command-z' not found" }, { code: 'upstream_not_found' }],
    ['cohere', 307, {}, { code: 'upstream_not_found' }, { location: 'http://127.0.0.1:9/' }],
  ])('of %s, %i %j, is %o', async (wire, status, body, expected, headers) => {
    const provider = await answering(wire, (response) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body)),
    )
    for (const stream of [true, false]) {
      const error = await failureOf(provider.chat(call({}, { stream }), silentSink))
      expect(error.detail).toMatchObject({ upstream: { status }, ...expected })
    }
  })

  it('that never sends its body is known by its status', async () => {
    const timeouts = { ...patientTimeouts, idleMs: 50 }
    const provider = await answering(
      'anthropic',
      (response) => response.writeHead(429, { 'retry-after': '3' }).flushHeaders(),
      { timeouts },
    )
    expect((await failureOf(provider.chat(call({}), silentSink))).detail).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfterSeconds: 3,
    })
  })
})

describe('an answer with status 200', () => {
  const started = [
    event({
      type: 'message_start',
      message: {
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [],
        usage: { input_tokens: 1, output_tokens: 0 },
      },
    }),
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } }),
  ].join('')
  const finished = [
    event({ type: 'content_block_stop', index: 0 }),
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
    event({ type: 'message_stop' }),
  ].join('')

  it.each<[SdkWire, string, string]>([
    ['anthropic', event(anthropic('overloaded_error', 'Overloaded')), 'upstream_overloaded'],
    ['anthropic', started + event(anthropic('overloaded_error', 'Overloaded')), 'upstream_overloaded'],
    ['anthropic', started + event(anthropic('invalid_request_error', 'prompt is too long')), 'context_length_exceeded'],
    ['anthropic', `${started}data: {"type":\n\n`, 'upstream_malformed'],
    ['anthropic', event({ type: 'something_new' }), 'upstream_malformed'],
    ['anthropic', '', 'upstream_interrupted'],
    ['gemini', event(google(503, 'UNAVAILABLE', 'later')), 'upstream_overloaded'],
    ['gemini', event(google(429, 'RESOURCE_EXHAUSTED', 'later')), 'rate_limit_exceeded'],
    ['gemini', event({ promptFeedback: { blockReason: 'SAFETY' } }), 'content_filter'],
    ['gemini', event({ candidates: [{ finishReason: 'SAFETY' }] }), 'content_filter'],
    ['gemini', event({ candidates: [{ finishReason: 'MALFORMED_FUNCTION_CALL' }] }), 'upstream_malformed'],
    ['gemini', '<html>Sign in</html>', 'upstream_interrupted'],
    ['cohere', event({ type: 'error', message: 'internal' }), 'upstream_error'],
    ['bedrock', 'no frame at all, and long enough to be one', 'upstream_malformed'],
  ])('of %s that streams %j is %s', async (wire, body, code) => {
    const provider = await answering(wire, (response) => response.end(body))
    expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe(code)
  })

  it.each(['', 'null', '{}', '<html>', '{"content":7}'])('that is a body of %j is malformed', async (body) => {
    for (const wire of ['anthropic', 'gemini', 'cohere', 'bedrock'] as const) {
      const provider = await answering(wire, (response) => response.end(body))
      const error = await failureOf(provider.chat(call({}, { stream: false }), silentSink))
      expect([wire, error.code]).toEqual([wire, 'upstream_malformed'])
    }
  })

  it('that blocks the prompt is content_filter for a whole answer too', async () => {
    const provider = await answering('gemini', (response) =>
      response.end(JSON.stringify({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' } })),
    )
    expect((await failureOf(provider.chat(call({}, { stream: false }), silentSink))).code).toBe('content_filter')
  })

  it('is whole when the upstream says so, though it holds the connection or breaks it', async () => {
    const sink = createRecorder()
    const broken = await answering('anthropic', (response) => {
      response.write(started + finished, () => setImmediate(() => response.destroy()))
    })
    expect(await broken.chat(call({}), sink)).toMatchObject({ finishReason: 'stop', usage: { completionTokens: 2 } })
    let left = false
    const held = await answering('anthropic', (response) => {
      response.on('close', () => {
        left = true
      })
      response.write(started + finished)
    })
    expect(await held.chat(call({}), sink)).toMatchObject({ finishReason: 'stop' })
    await until(() => left)
  })

  it('takes the white space off that a continued beginning ended in', async () => {
    const text = (piece: string) =>
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } })
    const provider = await answering('anthropic', (response) =>
      response.end(started.replace('"Hi"', '" "') + text('\nand') + text(' so on') + finished),
    )
    const sink = createRecorder()
    await provider.chat(call({}, { continueFrom: 'Once \n' }), sink)
    expect(sink.said).toBe('and so on')
  })

  it('beyond the bound of an answer ends the connection', async () => {
    let left = false
    const provider = await answering(
      'gemini',
      (response) => {
        response.on('close', () => {
          left = true
        })
        const chunk = event({ candidates: [{ content: { parts: [{ text: 'x'.repeat(1_000) }] } }] })
        const fill = () => {
          while (!response.destroyed && response.write(chunk));
        }
        response.on('drain', fill)
        fill()
      },
      {},
      { maxResponseBytes: 20_000 },
    )
    expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe('output_too_large')
    await until(() => left)
  })

  it('never tells a key or an AWS secret', async () => {
    const secrets = 'private-key-0001 and AKIASECRET and very-secret-access'
    const provider = await answering(
      'bedrock',
      (response) => response.writeHead(400).end(JSON.stringify({ message: secrets })),
      {
        credentials: { aws_access_key_id: 'AKIASECRET', aws_secret_access_key: 'very-secret-access' },
      },
    )
    const error = await failureOf(provider.chat(call({}), silentSink))
    expect(error.detail.message).toBe('*** and *** and ***')
  })
})
