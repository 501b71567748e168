import type { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Piece, Plan } from '../plan.ts'
import type { Encoder, Timing } from '../playback.ts'
import type { Script } from '../script.ts'
import { jsonType, sendError } from './openai-common.ts'

const linesType = 'application/x-ndjson'

/** Ollama's error form. */
export function refuseOllama(exchange: Exchange, error: RequestError): void {
  sendError(exchange, error, JSON.stringify({ error: error.message }))
}

/** A plan as lines of `/api/chat` or `/api/generate`, field by field as Ollama sends them. */
export class OllamaEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  // Ollama writes its head with the first line.
  readonly headFirst = false
  readonly #kind: 'chat' | 'generate'
  readonly #model: string
  readonly #plan: Plan
  readonly #script: Script

  constructor(kind: 'chat' | 'generate', request: { model: string; stream: boolean }, plan: Plan, script: Script) {
    this.stream = request.stream
    this.contentType = request.stream ? linesType : jsonType
    this.#kind = kind
    this.#model = JSON.stringify(request.model)
    this.#plan = plan
    this.#script = script
  }

  opening(): string {
    return ''
  }

  step(index: number, emittedAtMs: number | undefined): string {
    const choice = this.#plan.choices[0]
    const piece = choice?.pieces[index]
    if (choice === undefined || piece === undefined) return ''
    const stamp = emittedAtMs === undefined ? '' : `,"sim_at":${emittedAtMs.toFixed(2)}`
    if (piece.kind === 'content' || piece.kind === 'refusal') return this.#line(this.#said(piece.text, '', ''), stamp)
    if (piece.kind === 'reasoning') return this.#line(this.#said('', piece.text, ''), stamp)
    // A call arrives whole, with its last token.
    const next = choice.pieces[index + 1]
    if (next?.kind === 'arguments') return ''
    return this.#line(this.#said('', '', this.#calls([piece.call])), stamp)
  }

  closing(timing: Timing): string {
    return `${this.#head()},${this.#said('', '', '')},${this.#end(timing)}}\n`
  }

  whole(timing: Timing): string {
    const pieces = this.#plan.choices[0]?.pieces ?? []
    const join = (kind: Piece['kind']) => pieces.filter((piece) => piece.kind === kind).map(({ text }) => text)
    const calls = this.#calls((this.#plan.choices[0]?.calls ?? []).map((_, index) => index))
    const text = [...join('content'), ...join('refusal')].join('')
    const said = this.#said(text, join('reasoning').join(''), calls)
    return `${this.#head()},${said},${this.#end(timing)}}`
  }

  malformed(): string {
    return `{"model":${this.#model},"created_at":"20\n`
  }

  failure(error: RequestError): string {
    return `${JSON.stringify({ error: error.message })}\n`
  }

  #head(): string {
    return `{"model":${this.#model},"created_at":"${new Date().toISOString()}"`
  }

  #line(said: string, stamp: string): string {
    return `${this.#head()},${said},"done":false${stamp}}\n`
  }

  #said(content: string, thinking: string, calls: string): string {
    const thought = thinking === '' ? '' : `"thinking":${JSON.stringify(thinking)}`
    if (this.#kind === 'generate') {
      return `"response":${JSON.stringify(content)}${thought === '' ? '' : `,${thought}`}`
    }
    const more = [thought, calls].filter((part) => part !== '').map((part) => `,${part}`)
    return `"message":{"role":"assistant","content":${JSON.stringify(content)}${more.join('')}}`
  }

  /** `tool_calls` of the plan, their arguments parsed as Ollama does; broken ones stay text. */
  #calls(indexes: readonly number[]): string {
    const planned = this.#plan.choices[0]?.calls ?? []
    if (indexes.length === 0) return ''
    const calls = indexes.map((index) => {
      const call = planned[index]
      return { function: { index, name: call?.name, arguments: parsed(call?.arguments ?? '{}') } }
    })
    return `"tool_calls":${JSON.stringify(calls)}`
  }

  #end(timing: Timing): string {
    const reason = this.#plan.choices[0]?.finishReason ?? 'stop'
    const nanoseconds = (ms: number) => Math.round(ms * 1e6)
    const usage = this.#script.usage ?? {}
    const counts = {
      prompt_eval_count: usage['prompt_tokens'] ?? this.#plan.promptTokens,
      prompt_eval_duration: nanoseconds(timing.promptMs),
      eval_count: usage['completion_tokens'] ?? this.#plan.completionTokens,
      eval_duration: nanoseconds(timing.generateMs),
    }
    const end = {
      done: true,
      // Ollama knows no other word for a tool call than an ordinary stop.
      done_reason: reason === 'tool_calls' ? 'stop' : reason,
      total_duration: nanoseconds(timing.totalMs),
      load_duration: nanoseconds(timing.loadMs),
      ...(this.#script.noUsage === true ? {} : counts),
    }
    return JSON.stringify(end).slice(1, -1)
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
