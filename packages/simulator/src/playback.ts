import type { Capacity, Ticket } from './capacity.ts'
import { RequestError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Model } from './models.ts'
import type { Plan } from './plan.ts'
import { createRandom, type Random } from './random.ts'
import type { Script } from './script.ts'
import type { Count } from './stats.ts'
import type { Ticker, Timed } from './ticker.ts'

/** How long the parts of a call took, in milliseconds. */
export interface Timing {
  /** Loading the model, on the wire that does. */
  readonly loadMs: number
  /** From having a slot to the first token. */
  readonly promptMs: number
  readonly generateMs: number
  readonly totalMs: number
}

/** The form a wire gives a plan. Only `whole` is asked when the call does not stream. */
export interface Encoder {
  readonly stream: boolean
  readonly contentType: string
  /** `latin1`: each character of the stream stands for a byte. */
  readonly encoding?: 'latin1'
  /** Further headers of the answer, name and value in turn. */
  readonly headers?: readonly string[]
  /** Whether the head of a stream leaves before the first token, as with vLLM. */
  readonly headFirst: boolean
  /** What a stream begins with, sent along with the first token. */
  opening(): string
  step(index: number, emittedAtMs: number | undefined): string
  closing(timing: Timing): string
  whole(timing: Timing): string
  /** A piece of a stream that its reader cannot parse. */
  malformed(): string
  /** An error in the middle of a stream. */
  failure(error: RequestError): string
}

/** Sends an error instead of an answer, in the form of a wire. */
export type Refuse = (exchange: Exchange, error: RequestError) => void

export interface PlaybackOptions {
  readonly exchange: Exchange
  readonly model: Model
  readonly script: Script
  readonly plan: Plan
  readonly encoder: Encoder
  readonly refuse: Refuse
  readonly count: Count
  readonly ticker: Ticker
  readonly seed: number
  /** When the request had arrived, in milliseconds of `performance.now()`. */
  readonly startedAt: number
  readonly loadMs: number
  /** Called when the call takes a slot. */
  readonly onRunning: () => void
  /** Called once when the call is over, however it ended; `ran` tells whether it had a slot. */
  readonly onOver: (ran: boolean) => void
}

const toleranceMs = 0.5

/**
 * One call, from its claim on the engine to its last byte:
 *
 *     waiting ⇄ running → over      over: completed, aborted, failed or rejected, counted exactly once
 *                  ↘ silent → over  silent: a scripted hang; only the client can end it
 */
export class Playback implements Timed {
  at = 0
  slot = -1
  readonly #options: PlaybackOptions
  readonly #capacity: Capacity
  readonly #random: Random | undefined
  #ticket: Ticket | undefined
  #state: 'waiting' | 'running' | 'silent' | 'over' = 'waiting'
  #step = 0
  #nextAt = 0
  #admittedAt = 0
  #firstAt = 0
  #watched = false
  #hasRun = false
  #malformedSent = false

  constructor(options: PlaybackOptions) {
    this.#options = options
    this.#capacity = options.model.capacity
    const { jitter } = options.script
    this.#random = jitter === undefined || jitter === 0 ? undefined : createRandom(options.seed)
  }

  /** Answers at once, or begins to wait. */
  begin(): void {
    const { exchange, script, plan, refuse, count } = this.#options
    if (script.slowBody !== undefined) {
      exchange.slowDown(script.slowBody)
      this.#watch()
      if (this.#state === 'over') return
    }
    this.#ticket = this.#capacity.acquire(plan.promptTokens, {
      admitted: () => (this.#hasRun ? this.#resumed() : this.#admitted()),
      preempted: () => this.#preempted(),
    })
    if (this.#ticket === undefined) {
      count('rejected')
      this.#over()
      refuse(exchange, new RequestError(503, 'The server is busy: too many requests are queued.'))
    } else if (this.#ticket.state === 'running') {
      this.#admitted()
    } else {
      this.#openEarly()
      this.#watch()
    }
  }

  due(now: number): void {
    if (this.#state === 'running') this.#advance(now)
  }

  #admitted(): void {
    const { script, count, plan, onRunning } = this.#options
    this.#state = 'running'
    this.#hasRun = true
    onRunning()
    count('promptTokens', plan.promptTokens)
    const now = performance.now()
    this.#admittedAt = now
    this.#nextAt = now + this.#vary(script.ttftMs ?? 0)
    if (script.hang === 'before-headers' || script.hang === 'before-first-token') {
      this.#fallSilent()
    } else if (this.#nextAt > now + toleranceMs) {
      this.#sleep()
    } else {
      this.#advance(now)
    }
  }

  /** What it has said stays said; the rest comes when it runs again. */
  #preempted(): void {
    if (this.#state !== 'running') return
    this.#state = 'waiting'
    this.#options.ticker.cancel(this)
  }

  /** Its prompt and what it has said are read once more. */
  #resumed(): void {
    this.#state = 'running'
    this.#nextAt = performance.now() + this.#vary(this.#options.script.ttftMs ?? 0)
    this.#sleep()
  }

  #advance(now: number): void {
    const { script, plan, encoder, exchange } = this.#options
    let output = ''
    if (this.#firstAt === 0) {
      this.#firstAt = now
      if (encoder.stream) output = encoder.opening()
    }
    const emittedAt = script.emitStamps === true ? performance.timeOrigin + now : undefined
    while (this.#step < plan.steps) {
      if (this.#nextAt > now + toleranceMs) {
        if (!encoder.stream || output === '' || this.#write(output)) this.#sleep()
        else exchange.whenDrained(() => this.due(performance.now()))
        return
      }
      output = this.#interrupt(output)
      if (this.#state !== 'running') return
      output += this.#emit(emittedAt)
      if (this.#isPreempted()) {
        if (output !== '') this.#write(output)
        return
      }
    }
    output = this.#interrupt(output)
    if (this.#state === 'running') this.#complete(output)
  }

  /** Emits the step that is due; gives its bytes, if the call streams. */
  #emit(emittedAt: number | undefined): string {
    const { script, plan, encoder, count } = this.#options
    const index = this.#step
    let tokens = 0
    for (const choice of plan.choices) {
      const piece = choice.pieces[index]
      if (piece === undefined) continue
      tokens += 1
      if (emittedAt !== undefined && piece.kind === 'content') piece.text += `@${emittedAt.toFixed(2)}`
    }
    count('generatedTokens', tokens)
    this.#ticket?.grow(tokens)
    this.#step = index + 1
    const intervalMs = script.interTokenMs ?? 0
    if (intervalMs > 0 && this.#step < plan.steps) {
      this.#nextAt += this.#vary(intervalMs * this.#capacity.slowdown)
    }
    return encoder.stream ? encoder.step(index, emittedAt) : ''
  }

  /** Lets the faults happen that are due before the next step; the state tells whether the call goes on. */
  #interrupt(output: string): string {
    const { script, encoder } = this.#options
    const { hang, cutAfter, errorAfter, malformedAfter } = script
    if (typeof hang === 'object' && this.#reached(hang.afterTokens)) {
      if (encoder.stream) this.#write(output)
      this.#fallSilent()
    } else if (cutAfter !== undefined && this.#reached(cutAfter)) {
      this.#cut(output, cutAfter)
    } else if (errorAfter !== undefined && this.#reached(errorAfter)) {
      this.#fail(output)
    } else if (malformedAfter !== undefined && !this.#malformedSent && this.#reached(malformedAfter)) {
      this.#malformedSent = true
      this.#options.count('faults')
      return encoder.stream ? output + encoder.malformed() : output
    }
    return output
  }

  // An answer too short for the fault meets it at its end.
  #reached(tokens: number): boolean {
    return this.#step >= Math.min(tokens, this.#options.plan.steps)
  }

  #complete(output: string): void {
    const { encoder, exchange, count } = this.#options
    this.#ticket?.release()
    const sent = () => {
      if (this.#state === 'over') return
      count('completed')
      this.#over()
    }
    const timing = this.#timing()
    if (encoder.stream) {
      if (!exchange.headersSent) this.#open(false)
      exchange.end(output + encoder.closing(timing), sent)
      return
    }
    const body = encoder.whole(timing)
    const said = this.#malformedSent ? body.slice(0, body.length >> 1) : body
    exchange.send(200, encoder.contentType, said, encoder.headers, sent)
  }

  #cut(output: string, after: number): void {
    const { encoder, exchange, count } = this.#options
    count('faults')
    count('failed')
    this.#over()
    if (encoder.stream) {
      if (after > 0 && !exchange.headersSent) this.#open(false)
      exchange.cut(after > 0 ? output : '')
    } else if (after > 0) {
      exchange.cutWhole(encoder.contentType, encoder.whole(this.#timing()))
    } else {
      exchange.cut('')
    }
  }

  #fail(output: string): void {
    const { encoder, exchange, refuse, count } = this.#options
    count('faults')
    count('failed')
    this.#over()
    const error = new RequestError(500, 'The server had an error while generating.')
    if (!encoder.stream) {
      refuse(exchange, error)
      return
    }
    if (!exchange.headersSent) this.#open(false)
    exchange.end(output + encoder.failure(error))
  }

  #fallSilent(): void {
    const { script, count } = this.#options
    count('faults')
    if (script.hang !== 'before-headers') this.#openEarly()
    this.#state = 'silent'
    this.#watch()
  }

  /** By its own last token, say. */
  #isPreempted(): boolean {
    return this.#state === 'waiting'
  }

  #sleep(): void {
    const { ticker } = this.#options
    this.#openEarly()
    this.#watch()
    if (this.#state === 'running') ticker.schedule(this, this.#nextAt)
  }

  #openEarly(): void {
    const { encoder, exchange, script } = this.#options
    if (!encoder.stream || exchange.headersSent || script.hang === 'before-headers') return
    if (encoder.headFirst) this.#open(true)
  }

  #open(flush: boolean): void {
    const { encoder, exchange } = this.#options
    exchange.open(encoder.contentType, { flush, encoding: encoder.encoding, headers: encoder.headers })
  }

  #write(output: string): boolean {
    const { exchange } = this.#options
    if (!exchange.headersSent) this.#open(false)
    return exchange.write(output)
  }

  #watch(): void {
    if (this.#watched) return
    this.#watched = true
    this.#options.exchange.onAbort(() => {
      if (this.#state === 'over') return
      this.#options.count('aborted')
      this.#over()
    })
  }

  #over(): void {
    this.#state = 'over'
    this.#options.ticker.cancel(this)
    this.#options.onOver(this.#hasRun)
    this.#ticket?.release()
  }

  #vary(delayMs: number): number {
    const { jitter } = this.#options.script
    if (this.#random === undefined || jitter === undefined) return delayMs
    return delayMs * (1 + jitter * (2 * this.#random() - 1))
  }

  #timing(): Timing {
    const { startedAt, loadMs } = this.#options
    const now = performance.now()
    return {
      loadMs,
      promptMs: this.#firstAt - this.#admittedAt,
      generateMs: now - this.#firstAt,
      totalMs: now - startedAt,
    }
  }
}
