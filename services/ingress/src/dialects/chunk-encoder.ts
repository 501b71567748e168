import type { ChoiceDelta, EndPayload, ErrorDetail } from '@inferq/contracts'
import { toEnvelope } from '@inferq/contracts'

/**
 * Turns what a token log holds into server-sent events of one of OpenAI's two chunk shapes. One per answer: it knows
 * which choices were opened and finished. Every method gives the text to write, possibly of several events.
 */
export interface ChunkEncoder {
  /** Text of the first choice. */
  text(text: string): string
  deltas(deltas: readonly ChoiceDelta[]): string
  /** The end of a completed job: what was not shown yet, finish reasons, usage where asked for, `[DONE]`. */
  end(end: EndPayload): string
}

export interface ChunkOptions {
  /** `chatcmpl-…` or `cmpl-…`, the same in every chunk. */
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  /** The public name. */
  readonly model: string
  readonly includeUsage: boolean
}

/** An error inside a stream, as OpenAI sends it: SDKs raise it. Nothing follows. */
export function encodeStreamError(detail: ErrorDetail): string {
  return `data: ${JSON.stringify(toEnvelope(detail))}\n\n`
}

export const doneEvent = 'data: [DONE]\n\n'

/** What both chunk shapes begin and end with, cut once per answer so that a token costs one concatenation. */
export function chunkFrame(object: string, options: ChunkOptions): { readonly head: string; readonly tail: string } {
  const { id, created, model, includeUsage } = options
  return {
    head: `data: {"id":${JSON.stringify(id)},"object":"${object}","created":${created},"model":${JSON.stringify(model)},"choices":[`,
    tail: includeUsage ? '],"usage":null}\n\n' : ']}\n\n',
  }
}

/** The choices of a whole answer, where the log has one instead of deltas. */
export function choicesOf(result: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (typeof result !== 'object' || result === null) return []
  if ('summary' in result) return [{ index: 0, message: { content: result.summary } }]
  if (!('choices' in result)) return []
  return Array.isArray(result.choices) ? result.choices.filter((choice) => typeof choice === 'object' && choice) : []
}
