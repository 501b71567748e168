import { createHash } from 'node:crypto'
import type { EmbeddingCaps } from '@inferq/config'
import { isOwnField, type ProviderCall } from '@inferq/providers'

export type EmbedCall = Omit<ProviderCall, 'stream'>

/** A text, or a text as its tokens. */
export type EmbedInput = string | readonly number[]

/** Inputs that go in one call together, and what they come to. */
export interface Piece {
  readonly inputs: readonly EmbedInput[]
  /** Estimated. */
  readonly tokens: number
}

/** A call that may go together with others. */
export interface GatherableCall {
  /** Calls with the same key differ in nothing but their inputs. */
  readonly key: string
  /** The request without its inputs and without what is meant for inferq. */
  readonly fields: Readonly<Record<string, unknown>>
  /** All inputs in order, each piece within the caps (but for a single input that is longer). Never empty. */
  readonly pieces: readonly Piece[]
}

/** `ignoredFields`: describe a request and change nothing of its answer. */
export function readEmbedCall(
  call: EmbedCall,
  caps: EmbeddingCaps,
  ignoredFields: readonly string[],
): GatherableCall | null {
  const { input, ...rest } = call.request
  const inputs = readInputs(input)
  if (inputs === null) return null
  const given = Object.entries(rest).filter(([name]) => !isOwnField(name) && !ignoredFields.includes(name))
  // The public name: the upstream's stands in its place.
  const fields = Object.fromEntries(given.filter(([name]) => name !== 'model').sort(([a], [b]) => (a < b ? -1 : 1)))
  const form = typeof inputs[0] === 'string' ? 'text' : 'tokens'
  const text = JSON.stringify([call.model, form, fields])
  // Most are short; a long one would be kept as long as the call.
  const key = text.length <= 256 ? text : createHash('sha256').update(text).digest('hex')
  return { key, fields, pieces: cut(inputs, caps) }
}

/** Null for what is none, or mixed: the upstream says what it thinks of it. */
function readInputs(input: unknown): readonly EmbedInput[] | null {
  if (typeof input === 'string') return [input]
  if (!Array.isArray(input) || input.length === 0) return null
  if (input.every((one) => typeof one === 'number')) return [input]
  if (input.every((one) => typeof one === 'string')) return input
  return input.every((one) => Array.isArray(one)) ? input : null
}

function cut(inputs: readonly EmbedInput[], caps: EmbeddingCaps): readonly Piece[] {
  const pieces: Piece[] = []
  let current: EmbedInput[] = []
  let tokens = 0
  for (const input of inputs) {
    const more = estimateInputTokens(input)
    if (current.length > 0 && (current.length >= caps.maxItems || tokens + more > caps.maxTokens)) {
      pieces.push({ inputs: current, tokens })
      current = []
      tokens = 0
    }
    current.push(input)
    tokens += more
  }
  return [...pieces, { inputs: current, tokens }]
}

/**
 * On the safe side, for a call over the cap is refused: no common tokenizer has more than a token to three bytes of UTF-8,
 * over a whole text.
 */
function estimateInputTokens(input: EmbedInput): number {
  return typeof input === 'string' ? Math.ceil(Buffer.byteLength(input) / 3) : input.length
}
