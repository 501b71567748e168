import { errorForFault, RequestError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { type Model, Models } from './models.ts'
import type { Plan } from './plan.ts'
import { type Encoder, Playback } from './playback.ts'
import { createRandom, hashText } from './random.ts'
import { Residency } from './residency.ts'
import { faultOf, type ModelScript, type Script } from './script.ts'
import { type Stats, sumStats } from './stats.ts'
import { Ticker } from './ticker.ts'

/** A call as a wire hands it over, validated. */
export interface Call {
  readonly exchange: Exchange
  readonly model: string
  /** The script that came with the request. */
  readonly inline: Script | undefined
  /** Decides the whole answer; may throw a RequestError, which then counts as a rejection. */
  readonly plan: (script: Script) => Plan
  /** The plan's form; chosen when the plan is known. */
  readonly encode: (plan: Plan, script: Script) => Encoder
  /** How an error is said before there is an encoder. */
  readonly refuse: Encoder['refuse']
  /** Tokens the request asks for at most, for the context check. */
  readonly maxTokens?: number | undefined
  /** Milliseconds until the answer, instead of the script's time to first token. */
  readonly costMs?: (plan: Plan, script: Script) => number
  /** The model has to be in memory, under these options. */
  readonly load?: { readonly options: string; readonly keepAliveMs: number }
}

/** Everything the wires share: models, clock, memory. */
export class Engine {
  readonly seed: number
  readonly models: Models
  readonly ticker = new Ticker()
  readonly residency: Residency
  #running = 0
  #maxRunning = 0
  #sequence = 0

  constructor(options: {
    seed: number
    models: Readonly<Record<string, ModelScript>>
    defaults: ModelScript
    strictModels: boolean
    maxLoaded: number
  }) {
    this.seed = options.seed
    this.models = new Models({ models: options.models, defaults: options.defaults, strict: options.strictModels })
    this.residency = new Residency({ maxLoaded: options.maxLoaded, maxQueued: 4_096, ticker: this.ticker })
  }

  /** A number no other call of this server has. */
  nextSequence(): number {
    this.#sequence += 1
    return this.#sequence
  }

  /** Answers a call, now or in time. Throws a RequestError for a model that does not exist. */
  answer(call: Call): void {
    const startedAt = performance.now()
    const model = this.models.resolve(call.model)
    const script = this.models.scriptForCall(model, call.inline)
    model.counters.calls += 1
    const seed = hashText(`${this.seed} ${model.counters.calls} ${model.name}`)
    if (this.#fault(call, model, script, seed)) return
    const plan = this.#plan(call, model, script)
    if (plan === undefined) return
    const encoder = call.encode(plan, script)
    const timed = call.costMs === undefined ? script : { ...script, ttftMs: call.costMs(plan, script) }
    const common = {
      exchange: call.exchange,
      model,
      script: timed,
      plan,
      encoder,
      ticker: this.ticker,
      seed,
      startedAt,
    }
    const play = (loadMs: number, giveBack: () => void) => {
      const onRunning = () => this.#enter(model)
      const onOver = (ran: boolean) => {
        if (ran) this.#running -= 1
        giveBack()
      }
      new Playback({ ...common, loadMs, onRunning, onOver }).begin()
    }
    if (call.load === undefined) play(0, () => {})
    else this.#whenLoaded(call, call.load, model, script, play)
  }

  stats(): Stats {
    const models = this.models.stats()
    return { total: sumStats(Object.values(models), this.#maxRunning), models }
  }

  reset(): void {
    this.models.reset()
    this.residency.clear()
    this.#maxRunning = this.#running
  }

  /** Leaves no timer behind; every connection must be closed by now. */
  stop(): void {
    this.residency.stop()
    this.ticker.clear()
  }

  #enter(model: Model): void {
    this.#running += 1
    this.#maxRunning = Math.max(this.#maxRunning, this.#running)
    model.counters.maxConcurrency = Math.max(model.counters.maxConcurrency, model.capacity.running)
  }

  #fault(call: Call, model: Model, script: Script, seed: number): boolean {
    const fault = faultOf(script)
    if (fault === undefined) return false
    if (fault.rate !== undefined && createRandom(seed)() >= fault.rate) return false
    model.counters.faults += 1
    model.counters.failed += 1
    call.refuse(call.exchange, errorForFault(fault))
    return true
  }

  #plan(call: Call, model: Model, script: Script): Plan | undefined {
    try {
      const plan = call.plan(script)
      const asked = plan.promptTokens + (call.maxTokens ?? 0)
      if (script.contextTokens !== undefined && asked > script.contextTokens) {
        throw new RequestError(
          400,
          `This model's maximum context length is ${script.contextTokens} tokens. However, you requested ${asked} ` +
            `tokens (${plan.promptTokens} in the messages, ${call.maxTokens ?? 0} in the completion).`,
          { code: 'context_length_exceeded', param: 'messages' },
        )
      }
      return plan
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      model.counters.rejected += 1
      call.refuse(call.exchange, error)
      return undefined
    }
  }

  #whenLoaded(
    call: Call,
    load: NonNullable<Call['load']>,
    model: Model,
    script: Script,
    play: (loadMs: number, giveBack: () => void) => void,
  ): void {
    const progress = { phase: 'loading' }
    const request = {
      name: model.name,
      loadOptions: load.options,
      swapMs: script.swapMs ?? 0,
      keepAliveMs: load.keepAliveMs,
      counters: model.counters,
    }
    const hold = this.residency.acquire(request, (loadMs, held) => {
      progress.phase = 'playing'
      play(loadMs, () => held.release())
    })
    if (hold === undefined) {
      model.counters.rejected += 1
      call.refuse(
        call.exchange,
        new RequestError(503, 'server busy, please try again.  maximum pending requests exceeded'),
      )
    } else if (progress.phase === 'loading') {
      call.exchange.onAbort(() => {
        if (progress.phase !== 'loading') return
        progress.phase = 'gone'
        model.counters.aborted += 1
        hold.release()
      })
    }
  }
}
