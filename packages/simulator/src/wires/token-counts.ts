import type { Plan } from '../plan.ts'
import type { Script } from '../script.ts'

/** Token counts in the plan, with what the script puts over them under OpenAI's names; undefined for no usage. */
export interface TokenCounts {
  /** All of the prompt, cached tokens included. */
  readonly prompt: unknown
  /** All of the answer, reasoning included. */
  readonly completion: unknown
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly reasoning: number
}

export function countsOf(plan: Plan, { usage = {}, noUsage }: Script): TokenCounts | undefined {
  if (noUsage === true) return undefined
  const detail = (group: string, name: string) => {
    const details = usage[group]
    const value: unknown = typeof details === 'object' && details !== null ? Reflect.get(details, name) : undefined
    return typeof value === 'number' ? value : undefined
  }
  return {
    prompt: usage['prompt_tokens'] ?? plan.promptTokens,
    completion: usage['completion_tokens'] ?? plan.completionTokens,
    cacheRead: detail('prompt_tokens_details', 'cached_tokens') ?? plan.cachedTokens ?? 0,
    cacheWrite: detail('prompt_tokens_details', 'cache_write_tokens') ?? 0,
    reasoning: detail('completion_tokens_details', 'reasoning_tokens') ?? plan.reasoningTokens,
  }
}

/** `whole` less what is counted apart; what the script made no number of stays as it is. */
export function less(whole: unknown, ...parts: readonly number[]): unknown {
  return typeof whole === 'number' ? parts.reduce((rest, part) => rest - part, whole) : whole
}
