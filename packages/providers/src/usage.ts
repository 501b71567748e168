import type { TokenUsage } from '@inferq/contracts'
import { estimateTokenCount } from 'tokenx'
import { isObject, type JsonObject } from './json.ts'

// Most answers stay below, so that nothing is estimated where the upstream counts; short enough to hold for every stream.
const tallyChunkLength = 16_384
// What a chat template puts around one message, as OpenAI's cookbook counts it.
const tokensPerMessage = 4
// Ten times the longest context window there is. What is above is a mistake that nobody is to pay for.
const mostTokens = 100_000_000

/** What an upstream said of a call's tokens; a field it left out, or that is no count, is undefined. */
export interface ReportedUsage {
  readonly promptTokens?: number
  readonly completionTokens?: number
  readonly cachedTokens?: number
  readonly cacheWriteTokens?: number
  readonly reasoningTokens?: number
}

/** Reads OpenAI's `usage`, and the names its cousins use for cached tokens. Undefined when it holds no count at all. */
export function parseUsage(usage: unknown): ReportedUsage | undefined {
  if (!isObject(usage)) return undefined
  const promptDetails = isObject(usage['prompt_tokens_details']) ? usage['prompt_tokens_details'] : {}
  const completionDetails = isObject(usage['completion_tokens_details']) ? usage['completion_tokens_details'] : {}
  const promptTokens = count(usage['prompt_tokens'])
  const completionTokens = count(usage['completion_tokens'])
  if (promptTokens === undefined && completionTokens === undefined) return undefined
  const cachedTokens = count(promptDetails['cached_tokens']) ?? count(usage['prompt_cache_hit_tokens'])
  const reasoningTokens = count(completionDetails['reasoning_tokens'])
  return {
    ...(promptTokens === undefined ? {} : { promptTokens }),
    ...(completionTokens === undefined ? {} : { completionTokens }),
    ...(cachedTokens === undefined ? {} : { cachedTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
  }
}

/** A number of tokens, or undefined for what cannot be one: then it is as if the upstream had said nothing. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= mostTokens ? value : undefined
}

/**
 * The upstream's counts, filled up by estimates where it gave none; then marked `estimated`.
 * The estimate is tokenx's: rules instead of a vocabulary, within a few percent for prose. A tokenizer proper (gpt-tokenizer,
 * o200k) was measured at 75 MB and 0.1 s to load, for one vocabulary that would be wrong for every other model.
 */
export function settleUsage(
  reported: ReportedUsage | undefined,
  request: Readonly<JsonObject>,
  outputTokens: () => number,
): TokenUsage {
  const promptTokens = reported?.promptTokens ?? estimatePromptTokens(request)
  const completionTokens = reported?.completionTokens ?? outputTokens()
  const isEstimated = reported?.promptTokens === undefined || reported.completionTokens === undefined
  return {
    promptTokens,
    completionTokens,
    ...atMost('cachedTokens', reported?.cachedTokens, promptTokens),
    ...atMost('cacheWriteTokens', reported?.cacheWriteTokens, promptTokens),
    ...atMost('reasoningTokens', reported?.reasoningTokens, completionTokens),
    ...(isEstimated ? { estimated: true } : {}),
  }
}

/** A part is no more than its whole. */
function atMost<Name extends string>(
  name: Name,
  tokens: number | undefined,
  whole: number,
): { readonly [Key in Name]?: number } {
  return tokens === undefined ? {} : ({ [name]: Math.min(tokens, whole) } as { [Key in Name]: number })
}

/** Tokens of what the request makes the model read. Images and audio count nothing. */
export function estimatePromptTokens(request: Readonly<JsonObject>): number {
  const { messages, prompt, input, tools } = request
  let tokens = textTokens(prompt) + textTokens(input)
  if (Array.isArray(tools)) tokens += estimateTokenCount(JSON.stringify(tools))
  for (const message of Array.isArray(messages) ? messages : []) {
    if (!isObject(message)) continue
    tokens += tokensPerMessage + textTokens(message['content'])
    if (Array.isArray(message['tool_calls'])) tokens += estimateTokenCount(JSON.stringify(message['tool_calls']))
  }
  return tokens
}

function textTokens(value: unknown): number {
  if (typeof value === 'string') return estimateTokenCount(value)
  // A token, of a prompt or an input that came as tokens.
  if (typeof value === 'number') return 1
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + textTokens(item), 0)
  if (isObject(value)) return textTokens(value['text'])
  return 0
}

/** Estimates the tokens of an output that comes in pieces, in bounded memory. */
export interface TokenTally {
  /** UTF-16 units so far. */
  readonly length: number
  add(text: string): void
  /** Every text within the value counts, however deep. */
  addDeep(value: unknown): void
  total(): number
}

export function createTokenTally(): TokenTally {
  let pending = ''
  let tokens = 0
  let length = 0
  const add = (text: string): void => {
    length += text.length
    pending += text
    if (pending.length < tallyChunkLength) return
    tokens += estimateTokenCount(pending)
    pending = ''
  }
  const addDeep = (value: unknown): void => {
    if (typeof value === 'string') add(value)
    else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) addDeep(part)
  }
  return {
    get length() {
      return length
    },
    add,
    addDeep,
    total: () => tokens + (pending === '' ? 0 : estimateTokenCount(pending)),
  }
}

/**
 * A whole answer with a usage that is whole: where the upstream left out a count or the sum, what was settled stands in
 * its place. What else the upstream says there stays.
 */
export function withUsage(result: Readonly<JsonObject>, usage: TokenUsage): JsonObject {
  const { usage: said } = result
  if (!isObject(said)) return { ...result, usage: toOpenAIUsage(usage) }
  const names = ['prompt_tokens', 'completion_tokens', 'total_tokens']
  if (names.every((name) => count(said[name]) !== undefined)) return result
  return { ...result, usage: { ...said, ...toOpenAIUsage(usage) } }
}

/** A usage in OpenAI's shape. */
export function toOpenAIUsage(usage: TokenUsage): JsonObject {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    ...(usage.cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: usage.cachedTokens } }),
    ...(usage.reasoningTokens === undefined
      ? {}
      : { completion_tokens_details: { reasoning_tokens: usage.reasoningTokens } }),
  }
}
