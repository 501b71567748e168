import { describe, expect, it } from 'vitest'
import { parseFailure, toError } from '../src/failure.ts'
import { parseRetryAfter } from '../src/retry-after.ts'

const plain = { secrets: [] }

describe('what an upstream says of a failure', () => {
  it.each([
    [
      'OpenAI',
      { error: { message: 'm', type: 't', param: 'p', code: 'c' } },
      { message: 'm', type: 't', param: 'p', code: 'c' },
    ],
    [
      'vLLM before 0.10',
      { object: 'error', message: 'm', type: 'BadRequestError', param: null, code: 400 },
      { message: 'm', type: 'BadRequestError' },
    ],
    ['Ollama', { error: 'm' }, { message: 'm' }],
    [
      'FastAPI',
      { detail: [{ loc: ['body', 'messages', 0, 'role'], msg: 'm' }] },
      { message: 'm', param: 'messages[0].role' },
    ],
    ['FastAPI, in short', { detail: 'm' }, { message: 'm' }],
    ['Gemini', [{ error: { message: 'm', code: 400 } }], { message: 'm' }],
    ['a proxy', undefined, {}],
    ['nonsense', [[7]], {}],
    ['fields of the wrong type', { error: { message: { a: 1 }, param: 7 } }, {}],
  ])('is understood in the form of %s', (_, body, expected) => {
    expect(parseFailure(body, 400)).toEqual({ status: 400, ...expected })
  })

  it.each([
    "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
    'the input length exceeds the context length',
    'the request exceeds the available context size. try increasing the context size or enable context shift',
    'The prompt (total length 9000) is too long to fit into the model; longer than the maximum model length of 8192.',
    'prompt is too long: 210000 tokens > 200000 maximum',
    "Input length 9000 exceeds model's maximum context length 8192",
  ])('is about the context length when it reads %j', (message) => {
    expect(toError({ status: 400, message }, plain).code).toBe('context_length_exceeded')
  })

  it.each(['max_tokens must be positive', "unknown field 'context'", 'logit_bias exceeds the maximum'])(
    'is not about the context length when it reads %j',
    (message) => {
      expect(toError({ status: 400, message }, plain).code).toBe('upstream_invalid_request')
    },
  )

  it.each([
    [400, 'content_policy_violation', 'content_filter'],
    [403, 'content_filter', 'content_filter'],
    [402, undefined, 'upstream_authentication'],
    [408, undefined, 'upstream_timeout'],
    [413, 'context_length_exceeded', 'context_length_exceeded'],
    [429, 'insufficient_quota', 'upstream_authentication'],
    [429, 'engine_overloaded_error', 'upstream_overloaded'],
    [498, undefined, 'upstream_overloaded'],
    [413, undefined, 'upstream_invalid_request'],
    [500, 'context_length_exceeded', 'upstream_error'],
  ])('of status %s and code %s is %s', (status, code, expected) => {
    const failure = { status, ...(code === undefined ? {} : { code }) }
    expect(toError(failure, plain).code).toBe(expected)
  })

  it('keeps status and code for the record, the field where the request is at fault, and a message of bounded length', () => {
    const { detail } = toError({ status: 400, code: 'odd', param: 'top_p', message: 'x'.repeat(9_999) }, plain)
    expect(detail).toMatchObject({ param: 'top_p', upstream: { status: 400, code: 'odd' } })
    expect(detail.message.length).toBeLessThan(2_100)
  })
})

describe('the time to wait', () => {
  const now = Date.UTC(2026, 10, 20, 12, 0, 0)
  it.each([
    [{ 'retry-after': '7' }, 7],
    [{ 'retry-after': '0.5' }, 0.5],
    [{ 'retry-after': 'Fri, 20 Nov 2026 12:01:30 GMT' }, 90],
    [{ 'retry-after': 'Fri, 20 Nov 2020 12:00:00 GMT' }, 0],
    [{ 'retry-after-ms': '250', 'retry-after': '1' }, 0.25],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '99999999' }, 86_400],
    [{ 'retry-after': ['5', '6'] }, 5],
    [{ 'x-ratelimit-reset-requests': '1s', 'x-ratelimit-reset-tokens': '6m0s' }, 360],
    [{ 'x-ratelimit-reset-tokens': '120ms' }, 0.12],
    [{ 'x-ratelimit-reset': String(now / 1_000 + 30) }, 30],
    [{ 'x-ratelimit-reset': String(now + 30_000) }, 30],
    [{ 'x-ratelimit-reset': '12' }, 12],
    [{ 'x-ratelimit-reset-requests': '' }, undefined],
    [{}, undefined],
  ])('in %o is %s s', (headers, seconds) => {
    expect(parseRetryAfter(headers, now)).toBe(seconds)
  })
})
