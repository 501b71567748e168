import type { TokenUsage } from '@inferq/contracts'

/** In 10^-12 USD for each token, so that the cheapest model's price is a whole number. */
export interface Price {
  readonly inputPicoUsd: number
  readonly outputPicoUsd: number
  /** Prompt tokens read from the provider's cache; absent: as any other prompt token. */
  readonly cachedInputPicoUsd?: number
  /** For prompts longer than that, all tokens of the call cost this instead. */
  readonly longPrompt?: {
    readonly aboveTokens: number
    readonly inputPicoUsd: number
    readonly outputPicoUsd: number
    readonly cachedInputPicoUsd?: number
  }
  /** Who says so. */
  readonly source: 'config' | 'catalog'
}

/** What a model can do. Absent: not known. */
export interface Capabilities {
  readonly vision?: boolean
  readonly tools?: boolean
  readonly jsonSchema?: boolean
  readonly reasoning?: boolean
  readonly audio?: boolean
  readonly pdf?: boolean
}

/** What is publicly known of a model. */
export interface ModelFacts {
  readonly price?: Price
  /** Tokens of prompt and answer together. */
  readonly contextWindow?: number
  readonly maxOutputTokens?: number
  readonly mode?: 'chat' | 'embedding'
  readonly capabilities: Capabilities
}

/** `provider` is LiteLLM's name (`openai`, `together_ai`, `gemini`…), `model` the name at the upstream. Null: not known. */
export type LookUpModel = (provider: string, model: string) => ModelFacts | null

/** In 10^-9 USD, rounded half up, once for the whole call. */
export type CostOf = (
  price: Price,
  usage: Pick<TokenUsage, 'promptTokens' | 'completionTokens' | 'cachedTokens'>,
) => number
