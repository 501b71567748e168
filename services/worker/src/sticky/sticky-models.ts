import type { InferqConfig } from '@inferq/config'
import { createPeriodicService, type Service } from '@inferq/runtime'
import type { Consumers } from '../consumers.ts'
import { createModelTurns, type ModelTurns, type ModelTurnsOptions } from './model-turns.ts'
import { type SharedBackend, sharedBackends } from './shared-backends.ts'

export interface StickyModelsOptions extends Omit<ModelTurnsOptions, 'inFlight' | 'onDecided'> {
  /** The classes it serves. Undefined: all of the configuration. */
  readonly classes: readonly string[] | undefined
  readonly consumers: Pick<Consumers, 'cap' | 'state'>
}

export interface StickyModels extends Service {
  /**
   * Finds the backends whose models take turns now. Before the consumers of their classes begin: none of these takes anything
   * until it has been decided whose turn it is.
   */
  adopt(config: InferqConfig): void
  /** Of a class that takes nothing now, because another model has the turn. */
  view(modelClass: string): { readonly held?: 'model_not_loaded' }
}

/** A step without a look costs next to nothing; the end of a drain is found by it. */
const stepEveryMs = 200

interface Entry {
  readonly recipe: string
  readonly backend: SharedBackend
  readonly turns: ModelTurns
}

/**
 * Where one backend serves several classes and cannot hold all of their models, one model at a time has the turn, so that
 * its jobs are served together and not a model loaded for each. Classes of other backends are left alone.
 */
export function createStickyModels(options: StickyModelsOptions): StickyModels {
  const { consumers, log } = options
  const held = new Set<string>()
  let entries: readonly Entry[] = []
  let closing: Promise<unknown> = Promise.resolve()

  const setHeld = (modelClass: string, isHeld: boolean): void => {
    if (held.has(modelClass) === isHeld) return
    if (isHeld) held.add(modelClass)
    else held.delete(modelClass)
    consumers.cap(modelClass, isHeld ? 0 : null, 'sticky')
  }

  const create = (backend: SharedBackend, recipe: string): Entry => {
    const classes = classesOf(backend)
    const turns: ModelTurns = createModelTurns(backend, {
      ...options,
      inFlight: (modelClass) => consumers.state().find((one) => one.class === modelClass)?.inFlight ?? 0,
      onDecided(open) {
        // A step may have been under way when the configuration changed.
        if (!entries.some((entry) => entry.turns === turns)) return
        // Those that close come first: never are two open that do not fit together.
        for (const modelClass of classes) if (!open.has(modelClass)) setHeld(modelClass, true)
        for (const modelClass of classes) if (open.has(modelClass)) setHeld(modelClass, false)
      },
    })
    for (const modelClass of classes) setHeld(modelClass, true)
    return { recipe, backend, turns }
  }

  const adopt = (config: InferqConfig): void => {
    const before = new Map(entries.map((entry) => [entry.recipe, entry]))
    entries = sharedBackends(config, options.classes ?? Object.keys(config.classes)).map((backend) => {
      const recipe = JSON.stringify([backend, config.workers.maxLoadedModels])
      const known = before.get(recipe)
      before.delete(recipe)
      return known ?? create(backend, recipe)
    })
    for (const { turns } of before.values()) closing = Promise.allSettled([closing, turns.close()])
    const inTurns = new Set(entries.flatMap(({ backend }) => classesOf(backend)))
    for (const modelClass of [...held]) if (!inTurns.has(modelClass)) setHeld(modelClass, false)
  }

  const steps = createPeriodicService({
    name: 'sticky-models',
    intervalMs: stepEveryMs,
    clock: options.clock,
    log,
    async run(signal) {
      await Promise.all(entries.map(({ turns }) => turns.step(signal)))
    },
  })

  return {
    ...steps,
    adopt,
    view: (modelClass) => (held.has(modelClass) ? { held: 'model_not_loaded' } : {}),
    async stop(deadline) {
      await steps.stop(deadline)
      await Promise.allSettled([closing, ...entries.map(({ turns }) => turns.close())])
    },
  }
}

function classesOf({ models }: SharedBackend): readonly string[] {
  return models.flatMap(({ classes }) => classes)
}
