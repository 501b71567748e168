import type { RequestError } from '../errors.ts'
import type { Piece, Plan, PlannedChoice } from '../plan.ts'
import type { Encoder, Timing } from '../playback.ts'
import type { Script } from '../script.ts'
import { encodeFrame } from './aws-event-frame.ts'
import { bedrockErrorBody, exceptionOf } from './bedrock-errors.ts'
import { type Block, blocksOf, opensBlock, parsedArguments } from './blocks.ts'
import { jsonType } from './openai-common.ts'
import { countsOf, less } from './token-counts.ts'

const signature = 'c2ltdWxhdGVk'
const blockedText = 'Sorry, the model cannot answer this question.'

const empty: PlannedChoice = { pieces: [], calls: [], finishReason: 'stop' }

/** A plan as the answer of Converse, or as the frames of ConverseStream. */
export class BedrockEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  readonly encoding = 'latin1'
  readonly headFirst = true
  readonly headers: readonly string[]
  readonly #plan: Plan
  readonly #script: Script
  readonly #choice: PlannedChoice
  /** The block that is open, counted from 0. */
  #block = -1

  constructor(stream: boolean, plan: Plan, script: Script, sequence: number) {
    this.stream = stream
    this.contentType = stream ? 'application/vnd.amazon.eventstream' : jsonType
    this.headers = ['x-amzn-requestid', `sim-${sequence}`]
    this.#plan = plan
    this.#script = script
    this.#choice = plan.choices[0] ?? empty
  }

  opening(): string {
    return event('messageStart', { role: 'assistant' })
  }

  step(index: number): string {
    const { pieces, calls } = this.#choice
    const piece = pieces[index]
    // A refusal brings no words of its own.
    if (piece === undefined || piece.kind === 'refusal') return ''
    let output = ''
    if (opensBlock(pieces, index)) {
      output += this.#closeBlock(pieces[index - 1])
      this.#block += 1
      if (piece.kind === 'call') {
        const toolUse = { toolUseId: toolId(calls[piece.call]?.id), name: calls[piece.call]?.name }
        output += event('contentBlockStart', { contentBlockIndex: this.#block, start: { toolUse } })
      }
    }
    const delta = deltaOf(piece)
    return delta === undefined ? output : output + this.#delta(delta)
  }

  closing(timing: Timing): string {
    let output = this.#closeBlock(this.#choice.pieces.at(-1))
    if (this.#plan.blocked === true) {
      this.#block += 1
      output += this.#delta({ text: blockedText }) + event('contentBlockStop', { contentBlockIndex: this.#block })
    }
    output += event('messageStop', { stopReason: this.#stopReason() })
    return output + event('metadata', { ...this.#usage(), metrics: { latencyMs: Math.round(timing.totalMs) } })
  }

  whole(timing: Timing): string {
    const content = this.#plan.blocked === true ? [{ text: blockedText }] : blocksOf(this.#choice).flatMap(contentOf)
    return JSON.stringify({
      metrics: { latencyMs: Math.round(timing.totalMs) },
      output: { message: { content, role: 'assistant' } },
      stopReason: this.#stopReason(),
      ...this.#usage(),
    })
  }

  malformed(): string {
    return frame('event', 'contentBlockDelta', '{"contentBlockIndex":0,"delta":{"te')
  }

  failure(error: RequestError): string {
    const { type } = exceptionOf(error)
    return frame('exception', `${type.charAt(0).toLowerCase()}${type.slice(1)}`, bedrockErrorBody(error))
  }

  #delta(delta: unknown): string {
    return event('contentBlockDelta', { contentBlockIndex: this.#block, delta })
  }

  /** The end of the open block; a reasoning block is signed first. */
  #closeBlock(last: Piece | undefined): string {
    if (this.#block < 0) return ''
    const signed = last?.kind === 'reasoning' ? this.#delta({ reasoningContent: { signature } }) : ''
    return signed + event('contentBlockStop', { contentBlockIndex: this.#block })
  }

  #stopReason(): string {
    const { finishReason, stopSequence, refused } = this.#choice
    const reasons: Readonly<Record<string, string>> = {
      stop: stopSequence === undefined ? 'end_turn' : 'stop_sequence',
      length: 'max_tokens',
      tool_calls: 'tool_use',
      content_filter: this.#plan.blocked === true ? 'guardrail_intervened' : 'content_filtered',
    }
    return refused === true ? 'content_filtered' : (reasons[finishReason] ?? finishReason)
  }

  /** Cached tokens count apart from `inputTokens`. */
  #usage() {
    const counts = countsOf(this.#plan, this.#script)
    if (counts === undefined) return {}
    const { prompt, completion, cacheRead, cacheWrite } = counts
    return {
      usage: {
        inputTokens: less(prompt, cacheRead, cacheWrite),
        outputTokens: completion,
        totalTokens: typeof prompt === 'number' && typeof completion === 'number' ? prompt + completion : prompt,
        cacheReadInputTokens: cacheRead,
        cacheWriteInputTokens: cacheWrite,
      },
    }
  }
}

function event(type: string, fields: Readonly<Record<string, unknown>>): string {
  // AWS pads each event with a field `p`, so that its length does not tell the token.
  return frame('event', type, JSON.stringify({ ...fields, p: 'abcdefgh' }))
}

function frame(messageType: 'event' | 'exception', type: string, payload: string): string {
  const headers = { [`:${messageType}-type`]: type, ':content-type': jsonType, ':message-type': messageType }
  return encodeFrame(headers, payload)
}

function deltaOf({ kind, text }: Piece): unknown {
  switch (kind) {
    case 'content':
      return { text }
    case 'reasoning':
      return { reasoningContent: { text } }
    case 'arguments':
      return { toolUse: { input: text } }
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
      return [{ text }]
    case 'reasoning':
      return [{ reasoningContent: { reasoningText: { text, signature } } }]
    case 'call':
      return [{ toolUse: { toolUseId: toolId(call?.id), name: call?.name, input: parsedArguments(text) } }]
    case 'refusal':
      return []
    default: {
      const unknownKind: never = kind
      return unknownKind
    }
  }
}

function toolId(id = ''): string {
  return `tooluse_${id.replace(/^call_/, '')}`
}
