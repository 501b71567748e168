import type { LanguageModelV4FinishReason, LanguageModelV4Usage } from '@ai-sdk/provider'
import { InferqError } from '@inferq/contracts'
import { interrupted } from '../exchange.ts'
import { malformed } from '../json.ts'
import { count, type ReportedUsage } from '../usage.ts'

const rawFinishReasons: Readonly<Record<string, string>> = {
  ERROR_TOXIC: 'content_filter',
  ERROR_LIMIT: 'length',
  model_context_window_exceeded: 'length',
}

/** How an answer ended, in OpenAI's word. Throws where it only seems to have ended. */
export function toFinishReason(reason: LanguageModelV4FinishReason, calledTools: boolean): string {
  const raw =
    reason.raw !== undefined && Object.hasOwn(rawFinishReasons, reason.raw) ? rawFinishReasons[reason.raw] : undefined
  if (raw !== undefined) return raw
  switch (reason.unified) {
    case 'stop':
      return 'stop'
    case 'length':
      return 'length'
    case 'tool-calls':
      return 'tool_calls'
    case 'content-filter':
      return 'content_filter'
    case 'interrupted':
      throw interrupted()
    case 'error':
      // Gemini's MALFORMED_FUNCTION_CALL, Bedrock's malformed_…: another try may do better.
      if (/malformed/i.test(reason.raw ?? '')) throw malformed('The model made a call that cannot be read.')
      throw new InferqError({ code: 'upstream_error', message: 'The upstream failed in the middle of its answer.' })
    case 'other':
      // The SDKs' word for an answer that never said how it ended.
      if (reason.raw === undefined) throw interrupted()
      return calledTools ? 'tool_calls' : 'stop'
  }
}

export function toReportedUsage(usage: LanguageModelV4Usage): ReportedUsage | undefined {
  const promptTokens = count(usage.inputTokens.total)
  const completionTokens = count(usage.outputTokens.total)
  if (promptTokens === undefined && completionTokens === undefined) return undefined
  const cachedTokens = count(usage.inputTokens.cacheRead) ?? count(usage.raw?.['cached_tokens'])
  const cacheWriteTokens = count(usage.inputTokens.cacheWrite)
  const reasoningTokens = count(usage.outputTokens.reasoning)
  return {
    ...(promptTokens === undefined ? {} : { promptTokens }),
    ...(completionTokens === undefined ? {} : { completionTokens }),
    ...(cachedTokens === undefined ? {} : { cachedTokens }),
    ...(cacheWriteTokens === undefined || cacheWriteTokens === 0 ? {} : { cacheWriteTokens }),
    ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
  }
}
