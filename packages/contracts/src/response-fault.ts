import type { ErrorDetail } from './errors.ts'

/** Fields of the chat completion that a response became, and where they were in its request. Longest first. */
const places: readonly (readonly [pattern: RegExp, here: string])[] = [
  [/^messages\b.*$/s, 'input'],
  [/^response_format\.json_schema\b/, 'text.format'],
  [/^response_format\b/, 'text.format'],
  [/^(tools\[\d+\])\.function\b/, '$1'],
  [/^tool_choice\.function\b/, 'tool_choice'],
  [/^max_completion_tokens\b/, 'max_output_tokens'],
  [/^reasoning_effort\b/, 'reasoning.effort'],
  [/^verbosity\b/, 'text.verbosity'],
  [/^logprobs\b/, 'include'],
]

/** A fault found in that chat completion (by us or by its upstream), in the words of the request it came from. */
export function responseFault(error: ErrorDetail): ErrorDetail {
  const { param } = error
  const place = param === undefined ? undefined : places.find(([pattern]) => pattern.test(param))
  if (param === undefined || place === undefined) return error
  const here = param.replace(place[0], place[1])
  return { ...error, param: here, message: error.message.replaceAll(`'${param}'`, `'${here}'`) }
}
