import type { ErrorCode } from '@inferq/contracts'

/** What Anthropic, Google and Amazon call their errors, in bodies, in streams and in `x-amzn-errortype`. */
export const vendorCodes: Readonly<Record<string, ErrorCode>> = {
  // https://platform.claude.com/docs/en/api/errors
  api_error: 'upstream_error',
  timeout_error: 'upstream_timeout',
  billing_error: 'upstream_authentication',
  request_too_large: 'upstream_invalid_request',
  // https://cloud.google.com/apis/design/errors
  INVALID_ARGUMENT: 'upstream_invalid_request',
  FAILED_PRECONDITION: 'upstream_invalid_request',
  UNAUTHENTICATED: 'upstream_authentication',
  PERMISSION_DENIED: 'upstream_authentication',
  API_KEY_INVALID: 'upstream_authentication',
  NOT_FOUND: 'upstream_not_found',
  RESOURCE_EXHAUSTED: 'rate_limit_exceeded',
  DEADLINE_EXCEEDED: 'upstream_timeout',
  UNAVAILABLE: 'upstream_overloaded',
  INTERNAL: 'upstream_error',
  // https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; in a stream they begin small
  ThrottlingException: 'rate_limit_exceeded',
  throttlingException: 'rate_limit_exceeded',
  ServiceUnavailableException: 'upstream_overloaded',
  serviceUnavailableException: 'upstream_overloaded',
  ModelNotReadyException: 'upstream_overloaded',
  ModelTimeoutException: 'upstream_timeout',
  ModelErrorException: 'upstream_error',
  modelStreamErrorException: 'upstream_error',
  internalServerException: 'upstream_error',
  AccessDeniedException: 'upstream_authentication',
  UnrecognizedClientException: 'upstream_authentication',
  ExpiredTokenException: 'upstream_authentication',
  ResourceNotFoundException: 'upstream_not_found',
  ValidationException: 'upstream_invalid_request',
  validationException: 'upstream_invalid_request',
}

/**
 * What a vendor says in words alone, under a code that could mean anything:
 * Anthropic "prompt is too long: 208310 tokens > 200000 maximum", "input length and `max_tokens` exceed context limit",
 * "Your credit balance is too low", "Output blocked by content filtering policy"; Gemini "The input token count (1200000)
 * exceeds the maximum number of tokens allowed (1048576)", "API key not valid"; Bedrock "Input is too long for requested
 * model", "Too many input tokens", "The provided model identifier is invalid"; Cohere "too many tokens: size limit exceeded";
 * Azure "triggering Azure OpenAI's content management policy"; a LiteLLM proxy the name of its error.
 */
export function codeByWords(message: string): ErrorCode | undefined {
  return patterns.find(([pattern]) => pattern.test(message))?.[1]
}

const patterns: readonly (readonly [RegExp, ErrorCode])[] = [
  [
    /(prompt|input) is too long|exceeds? (the )?(context limit|maximum number of tokens)|too many (input )?tokens/i,
    'context_length_exceeded',
  ],
  [/blocked by content filtering|content management policy|ContentPolicyViolationError/i, 'content_filter'],
  [/credit balance is too low|api key not valid/i, 'upstream_authentication'],
  [/model identifier is invalid/i, 'upstream_not_found'],
]
