import { InferqError, type TokenUsage } from '@inferq/contracts'
import type { EmbeddingOutcome } from '@inferq/providers'
import { estimatePromptTokens } from '@inferq/routing'
import type { EmbedInput } from './embed-call.ts'
import { shareUsage } from './share-usage.ts'

type Result = EmbeddingOutcome['result']

/**
 * The answer to a call, cut into those of its parts, in order. Each has a share of the tokens by the estimated size of its
 * inputs, marked as an estimate; together they are what the upstream said. Throws `upstream_malformed`.
 */
export function splitOutcome(
  { result, usage }: EmbeddingOutcome,
  parts: readonly { readonly inputs: readonly EmbedInput[] }[],
): readonly EmbeddingOutcome[] {
  const embeddings = embeddingsOf(result)
  const items = parts.reduce((sum, { inputs }) => sum + inputs.length, 0)
  if (embeddings.length !== items) {
    throw new InferqError({
      code: 'upstream_malformed',
      message: 'The upstream did not send one embedding for each input.',
    })
  }
  const usages =
    parts.length === 1
      ? [usage]
      : shareUsage(
          usage,
          parts.map(({ inputs }) => estimatePromptTokens({ input: inputs })),
        )
  let start = 0
  return parts.map(({ inputs }, place) => {
    const data = embeddings.slice(start, start + inputs.length)
    start += inputs.length
    return withData(result, data, usages[place] ?? usage)
  })
}

/** The answers to the calls of one job as if it had been one. `outcomes`: in the order of the inputs, at least one. */
export function joinOutcomes(outcomes: readonly EmbeddingOutcome[]): EmbeddingOutcome {
  const [first, ...rest] = outcomes
  if (first === undefined) throw new TypeError('There is nothing to join.')
  if (rest.length === 0) return first
  const usage = outcomes.map((outcome) => outcome.usage).reduce(addUsage)
  return withData(
    first.result,
    outcomes.flatMap(({ result }) => embeddingsOf(result)),
    usage,
  )
}

function withData(result: Result, data: readonly unknown[], usage: TokenUsage): EmbeddingOutcome {
  const { promptTokens, cachedTokens } = usage
  return {
    result: {
      ...result,
      data: data.map((item, index) => ({ ...(item as object), index })),
      usage: {
        prompt_tokens: promptTokens,
        total_tokens: promptTokens,
        ...(cachedTokens === undefined ? {} : { prompt_tokens_details: { cached_tokens: cachedTokens } }),
      },
    },
    usage,
  }
}

function addUsage(one: TokenUsage, other: TokenUsage): TokenUsage {
  const cached = one.cachedTokens === undefined && other.cachedTokens === undefined
  return {
    promptTokens: one.promptTokens + other.promptTokens,
    completionTokens: one.completionTokens + other.completionTokens,
    ...(cached ? {} : { cachedTokens: (one.cachedTokens ?? 0) + (other.cachedTokens ?? 0) }),
    ...(one.estimated === true || other.estimated === true ? { estimated: true } : {}),
  }
}

function embeddingsOf(result: Result): readonly unknown[] {
  const { data } = result
  return Array.isArray(data) ? data : []
}
