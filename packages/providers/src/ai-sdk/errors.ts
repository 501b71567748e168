import { APICallError, TypeValidationError } from '@ai-sdk/provider'
import { InferqError } from '@inferq/contracts'
import { isFailure, parseFailure, toError } from '../failure.ts'
import { isObject, malformed } from '../json.ts'

/**
 * What an SDK threw, or sent as an error part, as ours. Failures of HTTP never come this way: the connection knows them
 * first. What is left: an answer with status 200 that cannot be read or says it is an error, and requests the SDK has no
 * words for. None of an SDK's errors is kept as a cause: they carry the request.
 */
export function sdkError(error: unknown, secrets: readonly string[]): unknown {
  if (error instanceof InferqError) return error
  if (APICallError.isInstance(error)) {
    // Anthropic's SDK makes one of an error that opens a stream.
    const said = bodyFailure(parseLoosely(error.responseBody))
    return said === undefined
      ? malformed('The upstream sent an answer that cannot be read.')
      : toError(said, { secrets })
  }
  if (TypeValidationError.isInstance(error)) {
    const said = bodyFailure(error.value)
    return said === undefined
      ? malformed('The upstream sent something its own documentation does not know.')
      : toError(said, { secrets })
  }
  if (isStreamError(error)) {
    const { message, type, code, data } = error
    const said = isObject(data) && typeof data['message'] === 'string' ? data : { message, type, code }
    return toError(parseFailure({ error: { type, ...said } }), { secrets })
  }
  const name = error instanceof Error ? error.name : ''
  if (requestErrors.has(name)) {
    return new InferqError({
      code: 'upstream_invalid_request',
      message: `This upstream cannot be asked for that: ${error instanceof Error ? error.message : name}`,
    })
  }
  return malformed('The upstream sent an answer that cannot be read.')
}

const requestErrors: ReadonlySet<string> = new Set([
  'AI_UnsupportedFunctionalityError',
  'AI_InvalidArgumentError',
  'AI_InvalidPromptError',
  'AI_TooManyEmbeddingValuesForCallError',
])

/** Errors as bodies: an envelope, or a Bedrock event such as `{throttlingException: {message}}`. */
function bodyFailure(body: unknown) {
  if (!isObject(body)) return undefined
  if (isFailure(body)) return parseFailure(body)
  if (typeof body['type'] === 'string' && typeof body['message'] === 'string') return parseFailure({ error: body })
  for (const [name, value] of Object.entries(body)) {
    if (/exception$/i.test(name) && isObject(value)) return parseFailure({ error: { type: name, ...value } })
  }
  return undefined
}

interface StreamError {
  readonly message: string
  readonly type?: string
  readonly code?: unknown
  readonly data: unknown
}

/** The SDKs' own shape of an error inside a stream: no Error, but an object with what the wire said. */
function isStreamError(error: unknown): error is StreamError {
  return isObject(error) && !(error instanceof Error) && typeof error['message'] === 'string' && 'data' in error
}

function parseLoosely(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}
