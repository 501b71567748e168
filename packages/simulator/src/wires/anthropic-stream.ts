import type { RequestError } from '../errors.ts'
import type { Piece, Plan, PlannedChoice } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import type { Script } from '../script.ts'
import { anthropicErrorBody } from './anthropic-errors.ts'
import type { AnthropicRequest } from './anthropic-request.ts'
import { type Block, blocksOf, opensBlock, parsedArguments } from './blocks.ts'
import { eventStreamType, jsonType } from './openai-common.ts'
import { countsOf, less } from './token-counts.ts'

// What Anthropic signs a thinking block with cannot be imitated; clients only carry it.
const signature = 'c2ltdWxhdGVk'

const empty: PlannedChoice = { pieces: [], calls: [], finishReason: 'stop' }

/** A plan as a message, or as the events of its stream. */
export class AnthropicEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  readonly headFirst = true
  readonly headers: readonly string[]
  readonly #request: AnthropicRequest
  readonly #plan: Plan
  readonly #script: Script
  readonly #id: string
  readonly #choice: PlannedChoice
  /** The block that is open, counted from 0. */
  #block = -1

  constructor(request: AnthropicRequest, plan: Plan, script: Script, sequence: number) {
    this.stream = request.stream
    this.contentType = request.stream ? eventStreamType : jsonType
    this.#request = request
    this.#plan = plan
    this.#script = script
    this.#id = `msg_sim${sequence}`
    this.headers = ['request-id', `req_sim${sequence}`]
    this.#choice = plan.choices[0] ?? empty
  }

  opening(): string {
    const message = { ...this.#head(), content: [], stop_reason: null, stop_sequence: null, ...this.#usage(1) }
    return event('message_start', { message }) + event('ping', {})
  }

  step(index: number): string {
    const piece = this.#choice.pieces[index]
    // A refusal brings no words of its own.
    if (piece === undefined || piece.kind === 'refusal') return ''
    let output = ''
    if (opensBlock(this.#choice.pieces, index)) {
      output += this.#closeBlock(this.#choice.pieces[index - 1])
      this.#block += 1
      output += event('content_block_start', { index: this.#block, content_block: this.#start(piece) })
    }
    const delta = deltaOf(piece)
    return delta === undefined ? output : output + event('content_block_delta', { index: this.#block, delta })
  }

  closing(): string {
    return (
      this.#closeBlock(this.#choice.pieces.at(-1)) +
      event('message_delta', { delta: this.#stop(), ...this.#usage() }) +
      event('message_stop', {})
    )
  }

  whole(): string {
    const content = blocksOf(this.#choice).flatMap(contentOf)
    return JSON.stringify({ ...this.#head(), content, ...this.#stop(), ...this.#usage() })
  }

  malformed(): string {
    return 'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_de\n\n'
  }

  failure(error: RequestError): string {
    return `event: error\ndata: ${anthropicErrorBody(error)}\n\n`
  }

  #head() {
    return { id: this.#id, type: 'message', role: 'assistant', model: this.#request.model }
  }

  #start(piece: Piece): unknown {
    if (piece.kind === 'reasoning') return { type: 'thinking', thinking: '', signature: '' }
    if (piece.kind === 'content') return { type: 'text', text: '' }
    const call = this.#choice.calls[piece.call]
    return { type: 'tool_use', id: toolId(call?.id), name: call?.name, input: {} }
  }

  /** The end of the open block; a thinking block is signed first. */
  #closeBlock(last: Piece | undefined): string {
    if (this.#block < 0) return ''
    const signed = { index: this.#block, delta: { type: 'signature_delta', signature } }
    return (
      (last?.kind === 'reasoning' ? event('content_block_delta', signed) : '') +
      event('content_block_stop', { index: this.#block })
    )
  }

  #stop() {
    const { finishReason, stopSequence, refused, pieces } = this.#choice
    const reasons: Readonly<Record<string, string>> = {
      stop: stopSequence === undefined ? 'end_turn' : 'stop_sequence',
      length: 'max_tokens',
      tool_calls: 'tool_use',
      content_filter: 'refusal',
    }
    const words = pieces.filter(({ kind }) => kind === 'refusal').map(({ text }) => text)
    const reason = refused === true ? 'refusal' : (reasons[finishReason] ?? finishReason)
    return {
      stop_reason: reason,
      stop_sequence: stopSequence ?? null,
      ...(reason === 'refusal'
        ? { stop_details: { type: 'refusal', category: null, explanation: words.join('') || null } }
        : {}),
    }
  }

  /** Cached tokens count apart from `input_tokens`. At the beginning of a stream only a first token is reported. */
  #usage(completion?: number) {
    const counts = countsOf(this.#plan, this.#script)
    if (counts === undefined) return {}
    const { prompt, cacheRead, cacheWrite, reasoning } = counts
    return {
      usage: {
        input_tokens: less(prompt, cacheRead, cacheWrite),
        cache_creation_input_tokens: cacheWrite,
        cache_read_input_tokens: cacheRead,
        output_tokens: completion ?? counts.completion,
        ...(completion === undefined && reasoning > 0 ? { output_tokens_details: { thinking_tokens: reasoning } } : {}),
        service_tier: 'standard',
      },
    }
  }
}

function event(type: string, fields: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}

function deltaOf({ kind, text }: Piece): unknown {
  switch (kind) {
    case 'content':
      return { type: 'text_delta', text }
    case 'reasoning':
      return { type: 'thinking_delta', thinking: text }
    case 'arguments':
      return { type: 'input_json_delta', partial_json: text }
    case 'call':
    case 'refusal':
      return undefined
    default: {
      const unknownKind: never = kind
      return unknownKind
    }
  }
}

function contentOf({ kind, text, call }: Block): unknown[] {
  switch (kind) {
    case 'content':
      return [{ type: 'text', text }]
    case 'reasoning':
      return [{ type: 'thinking', thinking: text, signature }]
    case 'call':
      return [{ type: 'tool_use', id: toolId(call?.id), name: call?.name, input: parsedArguments(text) }]
    case 'refusal':
      return []
    default: {
      const unknownKind: never = kind
      return unknownKind
    }
  }
}

function toolId(id = ''): string {
  return `toolu_${id.replace(/^call_/, '')}`
}
