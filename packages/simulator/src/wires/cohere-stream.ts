import type { RequestError } from '../errors.ts'
import type { Piece, Plan, PlannedChoice } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import type { Script } from '../script.ts'
import { type Block, blocksOf, opensBlock } from './blocks.ts'
import { cohereMessage } from './cohere-errors.ts'
import type { CohereRequest } from './cohere-request.ts'
import { doneEvent, eventStreamType, jsonType, logprobOf } from './openai-common.ts'
import { countsOf } from './token-counts.ts'

const empty: PlannedChoice = { pieces: [], calls: [], finishReason: 'stop' }

/** A plan as a chat response, or as the events of its stream. Reasoning before a tool call is the tool plan. */
export class CohereEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  readonly headFirst = true
  readonly #request: CohereRequest
  readonly #plan: Plan
  readonly #script: Script
  readonly #id: string
  readonly #choice: PlannedChoice
  /** The content block that is open, counted from 0; a tool plan is none. */
  #content = -1

  constructor(request: CohereRequest, plan: Plan, script: Script, sequence: number) {
    this.stream = request.stream
    this.contentType = request.stream ? eventStreamType : jsonType
    this.#request = request
    this.#plan = plan
    this.#script = script
    this.#id = `sim-${sequence}`
    this.#choice = plan.choices[0] ?? empty
  }

  opening(): string {
    const message = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }
    return event('message-start', { id: this.#id, delta: { message } })
  }

  step(index: number): string {
    const { pieces } = this.#choice
    const piece = pieces[index]
    if (piece === undefined) return ''
    if (!opensBlock(pieces, index)) return this.#delta(piece)
    return this.#closeBlock(pieces[index - 1]) + this.#openBlock(piece) + this.#delta(piece)
  }

  closing(): string {
    const end = { finish_reason: finishReasonOf(this.#choice), ...this.#usage() }
    return this.#closeBlock(this.#choice.pieces.at(-1)) + event('message-end', { delta: end }) + doneEvent
  }

  whole(): string {
    const blocks = blocksOf(this.#choice)
    const content = blocks.flatMap((block) => this.#contentOf(block))
    const plan = blocks.find(({ kind }) => kind === 'reasoning')?.text
    const calls = blocks
      .filter(({ kind }) => kind === 'call')
      .map(({ call, text }) => ({ id: call?.id, type: 'function', function: { name: call?.name, arguments: text } }))
    const message = {
      role: 'assistant',
      ...(calls.length > 0 ? { tool_calls: calls, ...(plan === undefined ? {} : { tool_plan: plan }) } : { content }),
    }
    return JSON.stringify({
      id: this.#id,
      finish_reason: finishReasonOf(this.#choice),
      message,
      ...this.#usage(),
      ...(this.#request.logprobs ? { logprobs: this.#choice.pieces.flatMap((piece) => this.#logprob(piece)) } : {}),
    })
  }

  malformed(): string {
    return 'event: content-delta\ndata: {"type":"content-delta","index":0,"del\n\n'
  }

  failure(error: RequestError): string {
    const end = { finish_reason: 'ERROR', error: cohereMessage(error), ...this.#usage() }
    return event('message-end', { delta: end }) + doneEvent
  }

  #openBlock(piece: Piece): string {
    if (piece.kind === 'call') {
      const call = this.#choice.calls[piece.call]
      const opened = { id: call?.id, type: 'function', function: { name: call?.name, arguments: '' } }
      return event('tool-call-start', { index: piece.call, delta: { message: { tool_calls: opened } } })
    }
    if (this.#isPlan(piece)) return ''
    this.#content += 1
    const content = piece.kind === 'reasoning' ? { type: 'thinking', thinking: '' } : { type: 'text', text: '' }
    return event('content-start', { index: this.#content, delta: { message: { content } } })
  }

  #delta(piece: Piece): string {
    const { kind, text } = piece
    switch (kind) {
      case 'content':
      case 'refusal': {
        const logprobs = this.#request.logprobs ? { logprobs: this.#logprob(piece)[0] } : {}
        return event('content-delta', { index: this.#content, delta: { message: { content: { text } } }, ...logprobs })
      }
      case 'reasoning':
        if (this.#isPlan(piece)) return event('tool-plan-delta', { delta: { message: { tool_plan: text } } })
        return event('content-delta', { index: this.#content, delta: { message: { content: { thinking: text } } } })
      case 'call':
        return ''
      case 'arguments': {
        const written = { function: { arguments: text } }
        return event('tool-call-delta', { index: piece.call, delta: { message: { tool_calls: written } } })
      }
      default: {
        const unknownKind: never = kind
        return unknownKind
      }
    }
  }

  #closeBlock(last: Piece | undefined): string {
    if (last === undefined || this.#isPlan(last)) return ''
    if (last.kind === 'call' || last.kind === 'arguments') return event('tool-call-end', { index: last.call })
    return event('content-end', { index: this.#content })
  }

  #isPlan({ kind }: Piece): boolean {
    return kind === 'reasoning' && this.#choice.calls.length > 0
  }

  #contentOf({ kind, text }: Block): unknown[] {
    if (kind === 'reasoning') return [{ type: 'thinking', thinking: text }]
    return kind === 'call' ? [] : [{ type: 'text', text }]
  }

  #logprob({ kind, text }: Piece): { text: string; token_ids: number[]; logprobs: number[] }[] {
    return kind === 'content' ? [{ text, token_ids: [], logprobs: [logprobOf(text, this.#script)] }] : []
  }

  #usage() {
    const counts = countsOf(this.#plan, this.#script)
    if (counts === undefined) return {}
    const tokens = { input_tokens: counts.prompt, output_tokens: counts.completion }
    return { usage: { billed_units: tokens, tokens, cached_tokens: counts.cacheRead } }
  }
}

function event(type: string, fields: Readonly<Record<string, unknown>>): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
}

function finishReasonOf({ finishReason, stopSequence }: PlannedChoice): string {
  const reasons: Readonly<Record<string, string>> = {
    stop: stopSequence === undefined ? 'COMPLETE' : 'STOP_SEQUENCE',
    length: 'MAX_TOKENS',
    tool_calls: 'TOOL_CALL',
    // Version 2 of the API has no word for it.
    content_filter: 'ERROR',
  }
  return reasons[finishReason] ?? finishReason
}
