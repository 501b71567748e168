import { contextOverrun, errorForFault, filteredPrompt, RequestError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Ledger, LedgerEntry } from './ledger.ts'
import { type Model, Models } from './models.ts'
import type { Plan } from './plan.ts'
import { type Encoder, Playback, type Refuse } from './playback.ts'
import { createRandom, hashText } from './random.ts'
import { Residency } from './residency.ts'
import { faultOf, type ModelScript, type Script } from './script.ts'
import type { Count, Stats, WireName } from './stats.ts'
import { sumStats } from './stats.ts'
import { Ticker } from './ticker.ts'
import { WireTallies } from './wire-tallies.ts'

/** A call as a wire hands it over, validated. */
export interface Call {
  readonly exchange: Exchange
  readonly wire: WireName
  readonly model: string
  /** The script that came with the request. */
  readonly inline: Script | undefined
  /** Decides the whole answer; may throw a RequestError, which then counts as a rejection. */
  readonly plan: (script: Script) => Plan
  /** The plan's form; chosen when the plan is known. */
  readonly encode: (plan: Plan, script: Script) => Encoder
  /** How an error is said as long as nothing of an answer has been sent. */
  readonly refuse: Refuse
  /** A blocked prompt is answered on this wire, with a plan that says so, and no error. */
  readonly answersBlocked?: boolean
  /** Texts to embed, when that is what the call is for. */
  readonly embeddingItems?: number
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
  readonly #wires = new WireTallies()
  readonly #ledger: Ledger | undefined
  #running = 0
  #maxRunning = 0
  #sequence = 0

  constructor(options: {
    seed: number
    models: Readonly<Record<string, ModelScript>>
    defaults: ModelScript
    strictModels: boolean
    maxLoaded: number
    ledger?: Ledger | undefined
  }) {
    this.#ledger = options.ledger
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
    const entry = this.#ledger?.open({ ...call.exchange.caller, model: model.name })
    const count = this.#counterOf(call.wire, model, entry)
    count('calls')
    if (call.embeddingItems !== undefined) {
      count('embeddingCalls')
      count('embeddingItems', call.embeddingItems)
    }
    const seed = hashText(`${this.seed} ${model.counters.calls} ${model.name}`)
    if (this.#fault(call, script, seed, count)) return
    const planned = this.#plan(call, script, count)
    if (planned === undefined) return
    const plan = script.prefixCache === true ? withCached(planned, model) : planned
    entry?.planned(plan, script)
    if (plan.continued === true) count('continued')
    if (plan.blocked === true) count('faults')
    const encoder = call.encode(plan, script)
    const timed =
      call.costMs === undefined ? lessCached(script, plan) : { ...script, ttftMs: call.costMs(plan, script) }
    const common = {
      exchange: call.exchange,
      model,
      script: timed,
      plan,
      encoder,
      refuse: call.refuse,
      count,
      ticker: this.ticker,
      seed,
      startedAt,
    }
    const play = (loadMs: number, giveBack: () => void) => {
      const onRunning = () => this.#enter(call.wire, model)
      const onOver = (ran: boolean) => {
        if (ran) {
          this.#running -= 1
          this.#wires.leave(call.wire)
        }
        giveBack()
      }
      new Playback({ ...common, loadMs, onRunning, onOver }).begin()
    }
    if (call.load === undefined) play(0, () => {})
    else this.#whenLoaded(call, call.load, model, script, count, play)
  }

  stats(): Stats {
    const models = this.models.stats()
    return { total: sumStats(Object.values(models), this.#maxRunning), models, wires: this.#wires.stats() }
  }

  reset(): void {
    this.models.reset()
    this.#wires.reset()
    this.residency.clear()
    this.#ledger?.clear()
    this.#maxRunning = this.#running
  }

  /** Leaves no timer behind; every connection must be closed by now. */
  stop(): void {
    this.residency.stop()
    this.ticker.clear()
  }

  /** Counts into the model's counters and the wire's, where a reset in between replaces both, and tells the ledger. */
  #counterOf(wire: WireName, model: Model, entry: LedgerEntry | undefined): Count {
    const tally = this.#wires.of(wire)
    return (counter, by = 1) => {
      model.counters[counter] += by
      tally.counters[counter] += by
      entry?.counted(counter)
    }
  }

  #enter(wire: WireName, model: Model): void {
    this.#wires.enter(wire)
    this.#running += 1
    this.#maxRunning = Math.max(this.#maxRunning, this.#running)
    model.counters.maxConcurrency = Math.max(model.counters.maxConcurrency, model.capacity.running)
  }

  #fault(call: Call, script: Script, seed: number, count: Count): boolean {
    const fault = faultOf(script)
    const strikes = fault !== undefined && (fault.rate === undefined || createRandom(seed)() < fault.rate)
    const blocks = script.contentFilter === true && call.answersBlocked !== true
    if (!strikes && !blocks) return false
    count('faults')
    count('failed')
    call.refuse(call.exchange, strikes ? errorForFault(fault) : filteredPrompt())
    return true
  }

  #plan(call: Call, script: Script, count: Count): Plan | undefined {
    try {
      const plan = call.plan(script)
      const { promptTokens } = plan
      const { contextTokens } = script
      const maxTokens = call.maxTokens ?? 0
      if (contextTokens !== undefined && promptTokens + maxTokens > contextTokens) {
        throw contextOverrun({ promptTokens, maxTokens, contextTokens })
      }
      return plan
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      count('rejected')
      call.refuse(call.exchange, error)
      return undefined
    }
  }

  #whenLoaded(
    call: Call,
    load: NonNullable<Call['load']>,
    model: Model,
    script: Script,
    count: Count,
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
      count('rejected')
      call.refuse(
        call.exchange,
        new RequestError(503, 'server busy, please try again.  maximum pending requests exceeded'),
      )
    } else if (progress.phase === 'loading') {
      call.exchange.onAbort(() => {
        if (progress.phase !== 'loading') return
        progress.phase = 'gone'
        count('aborted')
        hold.release()
      })
    }
  }
}

function withCached(plan: Plan, model: Model): Plan {
  if (plan.turns === undefined) return plan
  const pieces = plan.choices[0]?.pieces ?? []
  const answer = pieces.flatMap(({ kind, text }) => (kind === 'content' ? [text] : [])).join('')
  return { ...plan, cachedTokens: model.prefixCache.read(plan.turns, answer) }
}

function lessCached(script: Script, { cachedTokens = 0, promptTokens }: Plan): Script {
  if (cachedTokens === 0 || script.ttftMs === undefined) return script
  return { ...script, ttftMs: script.ttftMs * (1 - cachedTokens / promptTokens) }
}
