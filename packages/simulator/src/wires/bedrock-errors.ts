import { type RequestError, type Wording, wordsFor } from '../errors.ts'
import type { Refuse } from '../playback.ts'
import { sendError } from './openai-common.ts'

// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
const types: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
}

const wording: Wording = {
  context_length_exceeded: 'Input is too long for requested model.',
  invalid_api_key: 'The security token included in the request is invalid.',
  model_not_found: 'The provided model identifier is invalid.',
  rate_limit_exceeded: 'Too many requests, please wait before trying again.',
  500: 'The system encountered an unexpected error during processing. Try your request again.',
  503: 'Bedrock is unable to process your request.',
}

/** AWS's error form: the type stands in a header. */
export const refuseBedrock: Refuse = (exchange, error) => {
  const { type, status } = exceptionOf(error)
  const headers = ['x-amzn-errortype', `${type}:http://internal.amazon.com/coral/com.amazon.bedrock/`]
  sendError(exchange, error, bedrockErrorBody(error), { status, headers })
}

export function bedrockErrorBody(error: RequestError): string {
  return JSON.stringify({ message: wordsFor(error, wording) })
}

/** Which exception an error is, and with which status AWS sends it. */
export function exceptionOf(error: RequestError): { readonly type: string; readonly status: number } {
  const { code, scripted } = error
  if (code === 'missing_authentication') return { type: 'MissingAuthenticationTokenException', status: 403 }
  if (code === 'invalid_api_key' && !scripted) return { type: 'UnrecognizedClientException', status: 403 }
  const status = code === 'model_not_found' && !scripted ? 400 : error.status
  return { type: types[status] ?? (status < 500 ? 'ValidationException' : 'InternalServerException'), status }
}
