import type { InferqConfig } from '@inferq/config'
import type { LiveConfig } from '@inferq/liveconfig'
import { type Clock, createDeadline, createService, type Service, type ServiceGroup } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import { CommandError, exitCodes } from '../exit-codes.ts'
import type { BackendModels } from './ask-backend.ts'
import type { Backend } from './backend.ts'
import { lacking, pinnedClasses } from './pin-config.ts'

export interface BoundWorkerOptions {
  readonly url: string
  readonly backend: Backend
  readonly live: LiveConfig
  /** Undefined: every class that the backend has models for. */
  readonly asked: readonly string[] | undefined
  /** A worker of these classes, not started. */
  readonly make: (classes: readonly string[]) => ServiceGroup
  /** How long a backend may take until it first answers. */
  readonly patienceMs: number
  readonly log: Logger
  readonly clock: Clock
  /** It takes jobs, for the first time. */
  readonly onReady: () => void
  /** It cannot work, and never has. */
  readonly giveUp: (error: CommandError) => void
}

const againMs = 5_000

/**
 * A worker that takes jobs only while its backend is there: it is made when the backend is ready, and ends (its jobs going
 * back) when it is gone. Starts at once and waits in the background, since loading a model takes minutes in which it must be
 * possible to stop. Stops the worker first, which lets its jobs end, and the backend after it.
 */
export function createBoundWorker(options: BoundWorkerOptions): Service {
  const { url, backend, live, asked, make, log, clock } = options
  const stopping = new AbortController()
  let worker: ServiceGroup | undefined
  let isQuiet = false
  let wasReady = false
  let running: Promise<void> = Promise.resolve()

  const choose = (models: BackendModels): readonly string[] => chooseClasses(live.current(), asked, models).serve

  const whenReady = async (): Promise<BackendModels> => {
    if (wasReady) return backend.whenReady(stopping.signal)
    const deadline = createDeadline(clock, { timeoutMs: options.patienceMs, what: 'loading', parent: stopping.signal })
    try {
      return await backend.whenReady(deadline.signal)
    } catch (thrown) {
      if (stopping.signal.aborted) throw thrown
      const why = deadline.signal.aborted ? `it is not ready after ${options.patienceMs / 1000} s` : String(thrown)
      throw new CommandError(exitCodes.unreachable, `the backend at ${url} does not work: ${why}`, patienceMend)
    } finally {
      deadline.release()
    }
  }

  const serve = async (): Promise<void> => {
    const models = await whenReady()
    const { serve: classes, without } = chooseClasses(live.current(), asked, models)
    if (classes.length === 0) {
      const has = [...new Set([...models.values()].flat())].join(', ')
      const needs = without.map(({ name, lacks }) => `${name} needs ${lacks.join(' or ')}`).join('; ')
      const message = `the backend at ${url} has no model of the classes to serve: ${needs}`
      if (!wasReady) throw new CommandError(exitCodes.configInvalid, message, `it has: ${has === '' ? 'none' : has}`)
      log.warn({ url, needs, has }, 'backend-has-other-models')
      await clock.sleep(againMs, stopping.signal)
      return
    }
    for (const { name, lacks } of without) log.warn({ class: name, lacks, url }, 'backend-lacks-model')
    const made = make(classes)
    worker = made
    await made.start()
    if (isQuiet) await made.quiet()
    if (!wasReady) options.onReady()
    wasReady = true
    const reason = await backend.whenLost((now) => sameNames(choose(now), classes), stopping.signal)
    log.warn({ url, reason }, 'worker-held')
    await made.quiet()
    // What is under way fails by itself when the backend has died, and may end when it only is not well.
    await made.stop()
    worker = undefined
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await serve()
      } catch (thrown) {
        if (stopping.signal.aborted) return
        if (!wasReady) {
          options.giveUp(thrown instanceof CommandError ? thrown : new CommandError(exitCodes.failed, String(thrown)))
          return
        }
        log.error({ error: thrown }, 'worker-not-started')
        await worker?.stop().catch((): void => {})
        worker = undefined
        await clock.sleep(againMs, stopping.signal).catch((): void => {})
      }
    }
  }

  return createService({
    name: 'worker',
    async start() {
      await backend.start()
      running = run()
    },
    async quiet() {
      isQuiet = true
      await worker?.quiet()
    },
    async stop(deadline) {
      stopping.abort(new Error('the worker is stopping'))
      await worker?.stop(deadline).catch((error: unknown) => log.error({ error }, 'worker-not-stopped'))
      await running
      await backend.stop(deadline)
    },
  })
}

const patienceMend = 'see its own log, or wait longer with --backend-timeout <seconds>'

interface ClassChoice {
  readonly serve: readonly string[]
  /** Classes that a model is missing for: all of its models, for those that are not served. */
  readonly without: readonly { readonly name: string; readonly lacks: readonly string[] }[]
}

function chooseClasses(config: InferqConfig, asked: readonly string[] | undefined, models: BackendModels): ClassChoice {
  const serve: string[] = []
  const without: { name: string; lacks: readonly string[] }[] = []
  for (const candidate of pinnedClasses(config)) {
    const { name } = candidate
    if (asked !== undefined && !asked.includes(name)) continue
    const lacks = lacking(candidate, models)
    if (lacks.length < candidate.models.length) serve.push(name)
    if (lacks.length > 0) without.push({ name, lacks })
  }
  return { serve, without }
}

function sameNames(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name) => others.includes(name))
}
