import { Capacity, type CapacityLimits } from './capacity.ts'
import { RequestError } from './errors.ts'
import { PrefixCache } from './prefix-cache.ts'
import { type ModelScript, mergeScripts, patchScript, type Script, type ScriptPatch } from './script.ts'
import { type Counters, countInFlight, createCounters, type ModelStats } from './stats.ts'

const mostModels = 1_000

const defaultLimits: CapacityLimits = { slots: 4_096, maxQueued: 4_096, kvTokens: 1_000_000, batchSlowdown: 0 }

/** One model of the server: its script, its engine, its counters. */
export interface Model {
  readonly name: string
  /** Defaults, then the model's own script, merged. */
  script: ModelScript
  readonly capacity: Capacity
  counters: Counters
  prefixCache: PrefixCache
  /** One-shot scripts not taken yet. */
  next: Script[]
}

/** Every model the server knows. The name `*` stands for the defaults of all of them. */
export class Models {
  readonly #initial: ReadonlyMap<string, ModelScript>
  readonly #scripts = new Map<string, ModelScript>()
  readonly #models = new Map<string, Model>()
  readonly #strict: boolean

  constructor(options: { models: Readonly<Record<string, ModelScript>>; defaults: ModelScript; strict: boolean }) {
    const initial = Object.entries(options.models).map(([name, script]) => [canonicalName(name), script] as const)
    this.#initial = new Map([['*', options.defaults], ...initial])
    this.#strict = options.strict
    this.reset()
  }

  /** The names listed to clients: those that have a script. */
  names(): string[] {
    return [...this.#scripts.keys()].filter((name) => name !== '*')
  }

  /** The model of that name; without strictness any name is one. Throws a RequestError with 404. */
  resolve(name: string): Model {
    const known = this.#models.get(name) ?? this.#models.get(canonicalName(name))
    if (known !== undefined) return known
    if (this.#strict || this.#models.size >= mostModels) {
      throw new RequestError(404, `The model '${name}' does not exist or you do not have access to it.`, {
        code: 'model_not_found',
        param: 'model',
      })
    }
    return this.#create(canonicalName(name))
  }

  scriptOf(name: string): ModelScript {
    return this.#scripts.get(canonicalName(name)) ?? {}
  }

  /** Changes the script of a model (`*`: the defaults); a model without one comes to be known. */
  patch(name: string, patch: ScriptPatch): void {
    const key = canonicalName(name)
    if (!this.#scripts.has(key) && this.#scripts.size >= mostModels) {
      throw new RequestError(400, `No more than ${mostModels} models can have a script.`)
    }
    this.#scripts.set(key, patchScript(this.scriptOf(key), patch))
    this.#apply(key, 'next' in patch)
  }

  /** Takes a model's script away; the model is listed no longer. */
  forget(name: string): void {
    const key = canonicalName(name)
    if (key === '*') this.#scripts.set('*', {})
    else this.#scripts.delete(key)
    this.#apply(key, true)
  }

  /** The script of the next call: defaults, model, one-shot, then what the request carries itself. */
  scriptForCall(model: Model, inline: Script | undefined): Script {
    const once = model.next.shift()
    if (once === undefined && inline === undefined) return model.script
    const script = once === undefined ? model.script : mergeScripts(model.script, once)
    return inline === undefined ? script : mergeScripts(script, inline)
  }

  /** Back to the scripts of the beginning, counters at zero. Calls in flight go on, and stay counted as calls. */
  reset(): void {
    this.#scripts.clear()
    for (const [name, script] of this.#initial) this.#scripts.set(name, script)
    for (const [name, model] of this.#models) {
      const inFlight = countInFlight(model.counters)
      if (inFlight === 0) this.#models.delete(name)
      else model.prefixCache = new PrefixCache()
      if (inFlight > 0)
        model.counters = { ...createCounters(), calls: inFlight, maxConcurrency: model.capacity.running }
    }
    this.#apply('*', true)
  }

  stats(): Record<string, ModelStats> {
    const stats: Record<string, ModelStats> = {}
    for (const [name, { counters, capacity }] of this.#models) {
      stats[name] = { ...counters, running: capacity.running, waiting: capacity.waiting }
    }
    return stats
  }

  values(): Iterable<Model> {
    return this.#models.values()
  }

  #create(name: string): Model {
    const model: Model = {
      name,
      script: {},
      capacity: new Capacity(defaultLimits),
      counters: createCounters(),
      prefixCache: new PrefixCache(),
      next: [],
    }
    this.#models.set(name, model)
    this.#refresh(model, true)
    return model
  }

  #apply(name: string, renewNext: boolean): void {
    if (name !== '*') {
      const model = this.#models.get(name) ?? this.#create(name)
      this.#refresh(model, renewNext)
      return
    }
    for (const known of this.names()) if (!this.#models.has(known)) this.#create(known)
    for (const model of this.#models.values()) this.#refresh(model, renewNext)
  }

  #refresh(model: Model, renewNext: boolean): void {
    const own = this.#scripts.get(model.name) ?? {}
    model.script = mergeScripts(this.#scripts.get('*') ?? {}, own)
    if (renewNext) model.next = [...(own.next ?? [])]
    model.capacity.resize(limitsOf(model.script))
  }
}

function limitsOf(script: ModelScript): CapacityLimits {
  return {
    slots: script.slots ?? defaultLimits.slots,
    maxQueued: script.maxQueued ?? defaultLimits.maxQueued,
    kvTokens: script.kvTokens ?? defaultLimits.kvTokens,
    batchSlowdown: script.batchSlowdown ?? defaultLimits.batchSlowdown,
  }
}

/** Ollama writes the default tag out; without it the name is the same model's. */
export function canonicalName(name: string): string {
  return name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name
}
