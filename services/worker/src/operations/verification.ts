import type { CascadeCheck, ChoiceDelta, JobSpec, TokenUsage } from '@inferq/contracts'
import { type AnswerFacts, judgeAnswer } from '@inferq/routing'

type Json = Readonly<Record<string, unknown>>

/** A cascade's look at the answer of a cheaper model. */
export interface Verification {
  /** The client's request, with log probabilities where the check needs them. */
  readonly request: Json
  /** Why the whole answer will not do; null when it will. */
  judge(result: Json, usage: TokenUsage): string | null
  /** Without what only the check has asked for. */
  asAsked(deltas: readonly ChoiceDelta[]): readonly ChoiceDelta[]
  resultAsAsked(result: Json): Json
}

export function createVerification(spec: JobSpec): Verification {
  const check: CascadeCheck = spec.cascade ?? { escalateOn: [] }
  const addsLogprobs =
    spec.operation === 'chat' && check.escalateOn.includes('low_logprob') && !spec.request['logprobs']
  const withoutLogprobs = <T extends object>(choice: T): T => ({ ...choice, logprobs: null })
  return {
    request: addsLogprobs ? { ...spec.request, logprobs: true } : spec.request,
    judge(result, usage) {
      for (const choice of choicesOf(result)) {
        const verdict = judgeAnswer(check, factsOf(choice, spec.request, usage))
        if (verdict.kind === 'rejected') return verdict.reason
      }
      return null
    },
    asAsked: (deltas) => (addsLogprobs ? deltas.map(withoutLogprobs) : deltas),
    resultAsAsked: (result) => (addsLogprobs ? { ...result, choices: choicesOf(result).map(withoutLogprobs) } : result),
  }
}

function choicesOf(result: Json): readonly Json[] {
  const { choices } = result
  return Array.isArray(choices) ? choices.filter(isObject) : []
}

function factsOf(choice: Json, request: Json, usage: TokenUsage): AnswerFacts {
  const message = isObject(choice['message']) ? choice['message'] : {}
  const text = message['content'] ?? choice['text']
  const { refusal, tool_calls: calls } = message
  const meanLogprob = meanLogprobOf(choice['logprobs'])
  return {
    text: typeof text === 'string' ? text : '',
    finishReason: typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : undefined,
    refusal: typeof refusal === 'string' && refusal !== '' ? refusal : undefined,
    toolCalls: (Array.isArray(calls) ? calls : []).filter(isObject).map(toolCallOf),
    meanLogprob,
    wantsJson: wantsJson(request),
    completionTokens: usage.completionTokens,
    ...offered(request),
  }
}

/** What the check needs to know of the request itself. */
function offered(request: Json): Pick<AnswerFacts, 'offeredTools' | 'maxTokens'> {
  const { tools } = request
  const maxTokens = request['max_completion_tokens'] ?? request['max_tokens']
  const names = (Array.isArray(tools) ? tools : [])
    .filter(isObject)
    .flatMap((tool) => (isObject(tool['function']) ? [String(tool['function']['name'])] : []))
  return {
    ...(names.length === 0 ? {} : { offeredTools: names }),
    ...(typeof maxTokens === 'number' ? { maxTokens } : {}),
  }
}

function toolCallOf(call: Json): AnswerFacts['toolCalls'][number] {
  const called = isObject(call['function']) ? call['function'] : {}
  return { name: String(called['name'] ?? ''), arguments: String(called['arguments'] ?? '') }
}

function wantsJson({ response_format: format }: Json): boolean {
  return isObject(format) && (format['type'] === 'json_object' || format['type'] === 'json_schema')
}

function meanLogprobOf(logprobs: unknown): number | undefined {
  if (!isObject(logprobs) || !Array.isArray(logprobs['content'])) return undefined
  const values = logprobs['content'].flatMap((token) =>
    isObject(token) && typeof token['logprob'] === 'number' ? [token['logprob']] : [],
  )
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
