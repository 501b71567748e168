import { type Clock, createService, type Deadline, type Service } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import { askBackend, type BackendModels } from './ask-backend.ts'
import { type BackendProcessOptions, createBackendProcess } from './backend-process.ts'
import type { BackendTarget } from './pin-config.ts'

/** The backend of one worker, watched; started and kept alive too, where there is a command for it. */
export interface Backend extends Service {
  /** What it serves, as soon as it is ready. Rejects with the signal's reason, or when a first start has failed. */
  whenReady(signal: AbortSignal): Promise<BackendModels>
  /** Why it is no longer right, as soon as it cannot be called or has models that are not. Rejects with the signal's reason. */
  whenLost(isRight: (models: BackendModels) => boolean, signal: AbortSignal): Promise<string>
  /** A call has failed: it is asked at once how it is. */
  suspect(): void
  stop(deadline: Deadline): Promise<void>
}

export interface BackendOptions {
  readonly url: string
  /** How it is asked, by the configuration of now. */
  readonly targets: () => readonly BackendTarget[]
  /** Undefined: somebody else starts it. */
  readonly process: Omit<BackendProcessOptions, 'log' | 'clock' | 'onExit'> | undefined
  readonly log: Logger
  readonly clock: Clock
}

type State =
  | { readonly kind: 'loading'; readonly reason: string }
  | { readonly kind: 'ready'; readonly models: BackendModels }
  | { readonly kind: 'failed'; readonly error: Error }

const readyEveryMs = 1_000
const loadingEveryMs = 500
const tellEveryMs = 10_000
/** A busy backend may be late with an answer about itself, and another time. */
const unwellAnswers = 3
/** A process that has worked, runs on and does not answer for so long is started anew. */
const hungAfterMs = 60_000

/**
 *     loading ──answers──▶ ready ──refuses, exits, is unwell three times──▶ loading
 *        └──the first process ends before it was ever ready──▶ failed
 */
export function createBackend(options: BackendOptions): Backend {
  const { url, targets, log, clock } = options
  const stopping = new AbortController()
  const listeners = new Set<() => void>()
  let state: State = { kind: 'loading', reason: 'it has not been asked yet' }
  let wake = new AbortController()
  let wasReady = false
  /** This very process has answered: what is silent now is not loading. */
  let hasAnswered = false
  let unwell = 0
  let silentSince = clock.monotonic()
  let toldAt = clock.monotonic()
  let watching: Promise<void> = Promise.resolve()

  const enter = (next: State): void => {
    if (state.kind !== next.kind || next.kind === 'ready') {
      if (next.kind === 'ready' && state.kind !== 'ready') log.info({ url, ...facts(next.models) }, 'backend-ready')
      if (next.kind === 'loading' && state.kind === 'ready') log.warn({ url, reason: next.reason }, 'backend-gone')
    }
    if (next.kind === 'ready') {
      wasReady = true
      hasAnswered = true
      unwell = 0
    }
    if (next.kind !== 'ready' && state.kind === 'ready') {
      silentSince = clock.monotonic()
      toldAt = silentSince
    }
    state = next
    for (const listener of [...listeners]) listener()
  }

  const child =
    options.process &&
    createBackendProcess({
      ...options.process,
      log,
      clock,
      onExit({ code, signal }, lastLines) {
        if (stopping.signal.aborted) return
        hasAnswered = false
        const reason = `it ended with ${code ?? signal}${lastLines.length === 0 ? '' : `: ${lastLines.join(' | ')}`}`
        enter(wasReady ? { kind: 'loading', reason } : { kind: 'failed', error: new Error(reason) })
      },
    })

  const look = async (): Promise<void> => {
    const pid = child?.pid
    const answer = await askBackend(targets(), stopping.signal)
    if (stopping.signal.aborted || state.kind === 'failed') return
    // Who answers while our process is away, or was started meanwhile, is not it.
    if (child !== undefined && (child.pid === undefined || child.pid !== pid)) return
    if (answer.kind === 'ready') {
      enter(answer)
      return
    }
    if (state.kind === 'ready' && answer.kind === 'unwell' && ++unwell < unwellAnswers) return
    enter({ kind: 'loading', reason: answer.reason })
    const silentMs = clock.monotonic() - silentSince
    if (hasAnswered && silentMs > hungAfterMs)
      child?.replace(`it has not answered for ${Math.round(silentMs / 1000)} s`)
  }

  const tell = (): void => {
    if (state.kind !== 'loading' || clock.monotonic() - toldAt < tellEveryMs) return
    toldAt = clock.monotonic()
    const waitedSeconds = Math.round((toldAt - silentSince) / 1000)
    log.info({ url, reason: state.reason, waitedSeconds }, 'backend-waited-for')
  }

  const watch = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      wake = new AbortController()
      await look()
      tell()
      const pause = AbortSignal.any([wake.signal, stopping.signal])
      await clock.sleep(state.kind === 'ready' ? readyEveryMs : loadingEveryMs, pause).catch((): void => {})
    }
  }

  /** The first value that `pick` gives, now or after a change. */
  const when = <T>(pick: (now: State) => T | undefined, signal: AbortSignal): Promise<T> =>
    new Promise((resolve, reject) => {
      const end = (): void => {
        listeners.delete(onChange)
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        end()
        reject(signal.reason)
      }
      const onChange = (): void => {
        if (state.kind === 'failed') {
          end()
          reject(state.error)
          return
        }
        const value = pick(state)
        if (value === undefined) return
        end()
        resolve(value)
      }
      if (signal.aborted) {
        reject(signal.reason)
        return
      }
      signal.addEventListener('abort', onAbort, { once: true })
      listeners.add(onChange)
      onChange()
    })

  const service = createService({
    name: 'backend',
    async start() {
      await child?.start()
      watching = watch()
    },
    async stop(deadline) {
      stopping.abort(new Error('the backend is stopping'))
      await watching
      await child?.stop(deadline)
    },
  })
  return {
    ...service,
    whenReady: (signal) => when((now) => (now.kind === 'ready' ? now.models : undefined), signal),
    whenLost: (isRight, signal) =>
      when((now) => {
        if (now.kind === 'ready') return isRight(now.models) ? undefined : 'other classes are to be served now'
        return now.kind === 'loading' ? now.reason : undefined
      }, signal),
    suspect: () => wake.abort(),
  }
}

/** So many names at most: a line of the log is no catalogue. */
const shownModels = 20

function facts(models: BackendModels): { readonly models: readonly string[] } {
  return { models: [...new Set([...models.values()].flat())].slice(0, shownModels) }
}
