import { embeddingCostMs, embedText } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Plan } from '../plan.ts'
import type { Encoder, Refuse } from '../playback.ts'
import type { Script } from '../script.ts'
import type { WireName } from '../stats.ts'
import { countTokens } from '../tokens.ts'
import { jsonType } from './openai-common.ts'

export const defaultDimensions = 384

const mostItems = 2_048
const mostTokens = 300_000

/** What every wire does with texts to embed: limits, the bad item, and a plan without any step. */
export function planEmbeddings(texts: readonly string[], script: Script, vendorItems: number = mostItems): Plan {
  const {
    maxItems = vendorItems,
    maxTokens = mostTokens,
    rejectContaining,
    rejectStatus = 400,
  } = script.embedding ?? {}
  if (texts.length > maxItems) {
    throw new RequestError(400, `Invalid 'input': a maximum of ${maxItems} items is allowed, got ${texts.length}.`, {
      param: 'input',
    })
  }
  if (rejectContaining !== undefined && texts.some((text) => text.includes(rejectContaining))) {
    throw new RequestError(rejectStatus, "Invalid 'input': an item cannot be embedded.", { param: 'input' })
  }
  let promptTokens = 0
  for (const text of texts) promptTokens += Math.max(1, countTokens(text.length))
  if (promptTokens > maxTokens) {
    throw new RequestError(400, `Requested ${promptTokens} tokens, max ${maxTokens} tokens per request.`, {
      code: 'max_tokens_per_request',
      param: 'input',
    })
  }
  return { choices: [], steps: 0, promptTokens, completionTokens: 0, reasoningTokens: 0 }
}

export function embeddingDelay(texts: readonly string[]): (plan: Plan, script: Script) => number {
  return (plan, script) => (script.ttftMs ?? 0) + embeddingCostMs(plan.promptTokens, texts.length, script.embedding)
}

/** A call for embeddings as a wire understood it. */
export interface EmbeddingCall {
  readonly exchange: Exchange
  readonly wire: WireName
  readonly model: string
  readonly inline: Script | undefined
  readonly texts: readonly string[]
  /** Length of a vector, where the request asks for one. */
  readonly dimensions: number | undefined
  /** Items the vendor takes in one call, unless the script says otherwise. */
  readonly maxItems?: number
  /** As the request names its user. */
  readonly user?: string
  readonly refuse: Refuse
  /** The body of the answer; `tokens` is undefined where no usage is to be reported. */
  readonly whole: (vectors: readonly Float32Array[], tokens: unknown) => string
  /** Further headers of the answer. */
  readonly headers?: (tokens: unknown) => readonly string[]
}

/** Answers a call for embeddings. Throws as `Engine.answer`. */
export function answerEmbeddings(engine: Engine, call: EmbeddingCall): void {
  const { exchange, wire, model, inline, texts, refuse } = call
  exchange.describe(model, false, { user: call.user ?? '', hasUsage: true })
  engine.answer({
    exchange,
    wire,
    model,
    inline,
    embeddingItems: texts.length,
    plan: (script) => planEmbeddings(texts, script, call.maxItems),
    encode: (plan, script): Encoder => {
      const tokens = script.noUsage === true ? undefined : (script.usage?.['prompt_tokens'] ?? plan.promptTokens)
      const dimensions = call.dimensions ?? script.embedding?.dimensions ?? defaultDimensions
      return {
        stream: false,
        contentType: jsonType,
        headFirst: false,
        headers: call.headers?.(tokens) ?? [],
        whole: () =>
          call.whole(
            texts.map((text) => embedText(text, dimensions)),
            tokens,
          ),
        ...neverStreams,
      }
    },
    refuse,
    costMs: embeddingDelay(texts),
  })
}

/** The streaming half of an encoder for calls that never stream. */
export const neverStreams = {
  opening: () => '',
  step: () => '',
  closing: () => '',
  malformed: () => '',
  failure: () => '',
} as const
