import type { AnthropicUsage, TokenUsage } from '@inferq/contracts'
import type { JsonObject } from './fault.ts'

export interface Stop {
  readonly stop_reason: 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'refusal'
  readonly stop_sequence: string | null
  readonly stop_details: JsonObject | null
}

export interface Finish {
  /** OpenAI's `finish_reason`. */
  readonly reason: string | null
  /** vLLM's `stop_reason` of a choice, and that of Claude's answers: the stop sequence that was met. */
  readonly stopSequence?: unknown
  readonly called: boolean
  readonly refused: boolean
}

/** How an answer ended, in Anthropic's words. A tool that was called decides: some say `stop` for a call they were told to make. */
export function stopOf({ reason, stopSequence, called, refused }: Finish): Stop {
  if (reason === 'length') return stop('max_tokens')
  if (refused || reason === 'content_filter') {
    return { ...stop('refusal'), stop_details: { type: 'refusal', category: null, explanation: null } }
  }
  if (called) return stop('tool_use')
  if (typeof stopSequence === 'string') return { ...stop('stop_sequence'), stop_sequence: stopSequence }
  return stop('end_turn')
}

function stop(reason: Stop['stop_reason']): Stop {
  return { stop_reason: reason, stop_sequence: null, stop_details: null }
}

/** Anthropic counts what came from the caches, and what went there, beside the input. */
export function toAnthropicUsage(usage: TokenUsage): AnthropicUsage {
  const { promptTokens, completionTokens, cachedTokens = 0, cacheWriteTokens = 0, reasoningTokens } = usage
  return {
    input_tokens: Math.max(0, promptTokens - cachedTokens - cacheWriteTokens),
    cache_creation_input_tokens: cacheWriteTokens,
    cache_read_input_tokens: cachedTokens,
    output_tokens: completionTokens,
    ...(reasoningTokens === undefined ? {} : { output_tokens_details: { thinking_tokens: reasoningTokens } }),
  }
}
