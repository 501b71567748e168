import { parseCondition } from '@inferq/config'
import type { CascadeCheck, EscalationSign } from '@inferq/contracts'

/** An answer as a whole, before anyone has seen it. */
export interface AnswerFacts {
  readonly text: string
  readonly finishReason: string | undefined
  readonly toolCalls: readonly { readonly name: string; readonly arguments: string }[]
  /** OpenAI's field of that name. */
  readonly refusal: string | null | undefined
  /** Mean log probability of its tokens, where the upstream has given them. */
  readonly meanLogprob: number | undefined
  /** The request asks for JSON (`response_format`). */
  readonly wantsJson: boolean
  readonly completionTokens: number | undefined
  /** Names of the tools that were offered; absent: not known. */
  readonly offeredTools?: readonly string[]
  /** The longest answer the client allows: one cut there is as long as it wants it. */
  readonly maxTokens?: number
}

export type Verdict =
  | { readonly kind: 'good' }
  /** `reason` holds nothing of the answer. */
  | { readonly kind: 'rejected'; readonly sign: EscalationSign | 'check'; readonly reason: string }

/** Only how an answer begins says that it is a refusal: later on, the same words are part of it. */
const refusalCharacters = 200
const refusalPatterns: readonly RegExp[] = [
  /^(?:i(?:'|’)?m|i am|we(?:'|’)re|we are) (?:very |really |so )?(?:sorry|afraid)\b.{0,60}\b(?:can(?:'|’)?t|cannot|can not|unable|not able|won(?:'|’)t|not allowed)\b/is,
  /^(?:sorry|apologies|unfortunately|i apologi[sz]e)\b.{0,60}\b(?:i|we) (?:can(?:'|’)?t|cannot|can not|am unable|am not able|are unable|won(?:'|’)t)\b/is,
  /^(?:i|we) (?:can(?:'|’)?t|cannot|can not|won(?:'|’)t|will not|am unable to|am not able to|must decline to) (?:help|assist|provide|answer|comply|do that|fulfil|fulfill|complete|create|generate|write|discuss|engage|share|continue|support)\b/i,
  /^as an ai(?: language)?(?: model| assistant)?,? (?:i|it)(?:'|’)?(?:m| am)? (?:can(?:'|’)?t|cannot|do not|don(?:'|’)t|unable|not able|is not)\b/i,
  /^i (?:do not|don(?:'|’)t) (?:know|have (?:enough )?(?:information|knowledge))\b/i,
]

/**
 * Whether a cascade's cheaper model has done it. Only signs that `check` names count, in this order: refusal, truncation,
 * invalid JSON, invalid tool call, low log probability; then the condition. Pure. A condition that does not parse (the
 * configuration has been checked at load) accepts nothing.
 */
export function judgeAnswer(check: CascadeCheck, answer: AnswerFacts): Verdict {
  for (const sign of signs) {
    const reason = check.escalateOn.includes(sign) ? signTable[sign](answer, check) : null
    if (reason !== null) return { kind: 'rejected', sign, reason }
  }
  if (check.check === undefined) return { kind: 'good' }
  const condition = parseCondition(check.check, 'answer')
  if (condition.kind === 'fault') return { kind: 'rejected', sign: 'check', reason: 'the check does not parse' }
  const facts = {
    output: answer.text,
    finish_reason: answer.finishReason ?? '',
    completion_tokens: answer.completionTokens ?? 0,
  }
  return condition.evaluate(facts)
    ? { kind: 'good' }
    : { kind: 'rejected', sign: 'check', reason: 'the answer does not meet the check' }
}

const signs = [
  'refusal',
  'truncation',
  'invalid_json',
  'invalid_tool_call',
  'low_logprob',
] as const satisfies readonly EscalationSign[]

/** Each gives the reason, or null when the sign is not there. */
const signTable: Readonly<Record<EscalationSign, (answer: AnswerFacts, check: CascadeCheck) => string | null>> = {
  refusal({ refusal, finishReason, text, toolCalls }) {
    if (typeof refusal === 'string' && refusal !== '') return 'the model refused'
    if (finishReason === 'content_filter') return 'the answer was filtered'
    if (toolCalls.length > 0) return null
    const beginning = text.trimStart().slice(0, refusalCharacters)
    return refusalPatterns.some((pattern) => pattern.test(beginning)) ? 'the answer reads like a refusal' : null
  },
  truncation({ finishReason, completionTokens, maxTokens }) {
    if (finishReason !== 'length') return null
    const isAsWanted = maxTokens !== undefined && completionTokens !== undefined && completionTokens >= maxTokens
    return isAsWanted ? null : 'the answer was cut'
  },
  invalid_json({ wantsJson, text, toolCalls }) {
    if (!wantsJson || (toolCalls.length > 0 && text.trim() === '')) return null
    return parsesAs(text, () => true) ? null : 'the answer is not the JSON that was asked for'
  },
  invalid_tool_call({ toolCalls, offeredTools }) {
    for (const call of toolCalls) {
      if (offeredTools !== undefined && !offeredTools.includes(call.name))
        return 'a tool was called that was not offered'
      if (!parsesAs(call.arguments, isObject)) return 'the arguments of a tool call are not a JSON object'
    }
    return null
  },
  low_logprob({ meanLogprob }, { minLogprob }) {
    if (meanLogprob === undefined || minLogprob === undefined || meanLogprob >= minLogprob) return null
    return `its mean log probability is below ${minLogprob}`
  },
}

function parsesAs(text: string, accepts: (value: unknown) => boolean): boolean {
  try {
    return accepts(JSON.parse(text))
  } catch {
    return false
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
