import { describe, expect, it } from 'vitest'
import { parseFailure, toError } from '../src/failure.ts'

/** Bodies as the vendors document them, or as their servers are known to send them; shortened where nothing reads them. */
const bodies: readonly (readonly [string, number, unknown, string])[] = [
  // https://platform.openai.com/docs/guides/error-codes
  [
    'OpenAI: prompt too long',
    400,
    {
      error: {
        message:
          "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens. Please reduce the length of the messages.",
        type: 'invalid_request_error',
        param: 'messages',
        code: 'context_length_exceeded',
      },
    },
    'context_length_exceeded',
  ],
  [
    'OpenAI: prompt against the usage policy',
    400,
    {
      error: {
        message: 'Invalid prompt: your prompt was flagged as potentially violating our usage policy.',
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_prompt',
      },
    },
    'content_filter',
  ],
  [
    'OpenAI: wrong key',
    401,
    {
      error: {
        message: 'Incorrect API key provided: sk-abc***',
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      },
    },
    'upstream_authentication',
  ],
  [
    'OpenAI: no money',
    429,
    {
      error: {
        message: 'You exceeded your current quota, please check your plan and billing details.',
        type: 'insufficient_quota',
        param: null,
        code: 'insufficient_quota',
      },
    },
    'upstream_authentication',
  ],
  [
    'OpenAI: too many requests',
    429,
    {
      error: {
        message: 'Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000.',
        type: 'tokens',
        param: null,
        code: 'rate_limit_exceeded',
      },
    },
    'rate_limit_exceeded',
  ],
  [
    'OpenAI: no such model',
    404,
    { error: { message: 'The model `x` does not exist', type: 'invalid_request_error', code: 'model_not_found' } },
    'upstream_not_found',
  ],
  [
    'OpenAI: a parameter that the model refuses',
    400,
    {
      error: {
        message: "Unsupported parameter: 'max_tokens' is not supported with this model.",
        type: 'invalid_request_error',
        param: 'max_tokens',
        code: 'unsupported_parameter',
      },
    },
    'upstream_invalid_request',
  ],
  // https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
  [
    'Azure: content filter',
    400,
    {
      error: {
        message:
          "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.",
        type: null,
        param: 'prompt',
        code: 'content_filter',
        status: 400,
        innererror: {
          code: 'ResponsibleAIPolicyViolation',
          content_filter_result: { hate: { filtered: true, severity: 'high' } },
        },
      },
    },
    'content_filter',
  ],
  [
    'Azure: content filter, told by the inner error only',
    400,
    {
      error: { message: 'The request was refused.', code: '400', innererror: { code: 'ResponsibleAIPolicyViolation' } },
    },
    'content_filter',
  ],
  [
    'Azure: no such deployment',
    404,
    { error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' } },
    'upstream_not_found',
  ],
  [
    'Azure: wrong key',
    401,
    { error: { code: '401', message: 'Access denied due to invalid subscription key or wrong API endpoint.' } },
    'upstream_authentication',
  ],
  [
    'Azure: too many requests',
    429,
    { error: { code: '429', message: 'Requests have exceeded call rate limit. Please retry after 6 seconds.' } },
    'rate_limit_exceeded',
  ],
  // https://docs.mistral.ai/api/
  [
    'Mistral: prompt too long',
    400,
    {
      object: 'error',
      message: 'Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length',
      type: 'invalid_request_error',
      param: null,
      code: '3051',
    },
    'context_length_exceeded',
  ],
  ['Mistral: wrong key', 401, { message: 'Unauthorized', request_id: 'x' }, 'upstream_authentication'],
  [
    'Mistral: unknown model',
    400,
    { object: 'error', message: 'Invalid model: x', type: 'invalid_model', param: null, code: '1500' },
    'upstream_not_found',
  ],
  [
    'Mistral: no capacity for the account',
    429,
    {
      object: 'error',
      message: 'Service tier capacity exceeded for this model.',
      type: 'service_tier_capacity_exceeded',
    },
    'rate_limit_exceeded',
  ],
  // https://api-docs.deepseek.com/quick_start/error_codes
  [
    'DeepSeek: prompt too long',
    400,
    {
      error: {
        message: "This model's maximum context length is 65536 tokens. However, you requested 70000 tokens.",
        type: 'invalid_request_error',
        param: null,
        code: 'invalid_request_error',
      },
    },
    'context_length_exceeded',
  ],
  [
    'DeepSeek: no money',
    402,
    { error: { message: 'Insufficient Balance', type: 'unknown_error', param: null, code: 'invalid_request_error' } },
    'upstream_authentication',
  ],
  // https://console.groq.com/docs/errors
  [
    'Groq: more tokens than a minute has',
    413,
    {
      error: {
        message: 'Request too large for model `llama-3.1-8b-instant` on tokens per minute (TPM): Limit 6000.',
        type: 'tokens',
        code: 'rate_limit_exceeded',
      },
    },
    'context_length_exceeded',
  ],
  ['Groq: no room in the flex tier', 498, { error: { message: 'capacity exceeded' } }, 'upstream_overloaded'],
  // https://docs.x.ai/docs/guides/function-calling and its forum
  [
    'xAI: prompt too long',
    400,
    {
      code: 'Client specified an invalid argument',
      error: "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    },
    'context_length_exceeded',
  ],
  // https://inference-docs.cerebras.ai/support/error
  [
    'Cerebras: prompt too long',
    400,
    {
      message: 'Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192',
      type: 'invalid_request_error',
      param: 'messages',
      code: 'context_length_exceeded',
    },
    'context_length_exceeded',
  ],
  // https://openrouter.ai/docs/api-reference/errors
  [
    'OpenRouter: flagged by a moderator',
    403,
    {
      error: {
        code: 403,
        message: 'openai/gpt-4o requires moderation. Your input was flagged.',
        metadata: { reasons: ['violence'], flagged_input: '…', provider_name: 'OpenAI', model_slug: 'openai/gpt-4o' },
      },
    },
    'content_filter',
  ],
  [
    'OpenRouter: what the provider behind it said',
    400,
    {
      error: {
        code: 400,
        message: 'Provider returned error',
        metadata: {
          raw: '{"error":{"message":"This model\'s maximum context length is 8192 tokens."}}',
          provider_name: 'Together',
        },
      },
    },
    'context_length_exceeded',
  ],
  [
    'OpenRouter: no credits',
    402,
    { error: { code: 402, message: 'Insufficient credits.' } },
    'upstream_authentication',
  ],
  ['OpenRouter: no provider', 503, { error: { code: 503, message: 'No available provider' } }, 'upstream_overloaded'],
  [
    'Together and TGI: prompt too long',
    422,
    {
      error: {
        message: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 and 100',
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    },
    'context_length_exceeded',
  ],
  [
    'TGI, in its own form',
    422,
    { error: 'Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096.', error_type: 'validation' },
    'context_length_exceeded',
  ],
  ['TGI: full', 429, { error: 'Model is overloaded', error_type: 'overloaded' }, 'rate_limit_exceeded'],
  [
    'LM Studio: prompt too long',
    400,
    {
      error:
        'Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length of only 4096 tokens, which is not enough.',
    },
    'context_length_exceeded',
  ],
  [
    'llama.cpp: prompt too long',
    400,
    {
      error: {
        code: 400,
        message: 'the request exceeds the available context size, try increasing it',
        type: 'exceed_context_size_error',
        n_prompt_tokens: 9000,
        n_ctx: 4096,
      },
    },
    'context_length_exceeded',
  ],
  [
    'DeepInfra, in its own form',
    422,
    { detail: { error: "This model's maximum context length is 8192 tokens." } },
    'context_length_exceeded',
  ],
  // https://platform.moonshot.ai/docs/api/errors
  [
    'Moonshot: no money',
    429,
    { error: { type: 'exceeded_current_quota_error', message: 'Your account is suspended, please check your plan.' } },
    'upstream_authentication',
  ],
  [
    'Moonshot: full',
    429,
    { error: { type: 'engine_overloaded_error', message: 'The engine is currently overloaded.' } },
    'upstream_overloaded',
  ],
  [
    'Moonshot: content',
    400,
    { error: { type: 'content_filter', message: 'The request was rejected because it was considered high risk' } },
    'content_filter',
  ],
  // https://help.aliyun.com/zh/model-studio/error-code
  [
    'DashScope: content',
    400,
    {
      error: {
        code: 'data_inspection_failed',
        param: null,
        message: 'Input data may contain inappropriate content.',
        type: 'data_inspection_failed',
      },
    },
    'content_filter',
  ],
  [
    'DashScope: no money',
    400,
    { error: { code: 'Arrearage', message: 'Access denied, please make sure your account is in good standing.' } },
    'upstream_authentication',
  ],
  [
    'a LiteLLM proxy: prompt too long',
    400,
    { error: { message: 'litellm.ContextWindowExceededError: too much', type: null, param: null, code: '400' } },
    'context_length_exceeded',
  ],
  [
    'a LiteLLM proxy: content',
    400,
    { error: { message: 'litellm.ContentPolicyViolationError: no', type: null, param: null, code: '400' } },
    'content_filter',
  ],
]

describe('the error of', () => {
  it.each(bodies)('%s (%s)', (_, status, body, code) => {
    const error = toError(parseFailure(body, status), { secrets: [] })
    expect(error.code).toBe(code)
    expect(error.detail.upstream?.status).toBe(status)
  })

  it('Mistral, for a field it does not know, names the field', () => {
    const body = {
      object: 'error',
      message: {
        detail: [
          { type: 'extra_forbidden', loc: ['body', 'max_completion_tokens'], msg: 'Extra inputs are not permitted' },
        ],
      },
      type: 'invalid_request_error',
      param: null,
      code: null,
    }
    expect(toError(parseFailure(body, 422), { secrets: [] }).detail).toMatchObject({
      code: 'upstream_invalid_request',
      param: 'max_completion_tokens',
      message: 'Extra inputs are not permitted',
    })
  })
})
