import type { ServerResponse } from 'node:http'
import {
  type EndPayload,
  type ErrorDetail,
  isTerminalKind,
  type JobSpec,
  type LogEntry,
  type LogPosition,
  statusOfTerminalKind,
  type TerminalStatus,
} from '@inferq/contracts'
import type { Following, FollowOptions } from '@inferq/tokenlog'
import { cancelJob, expireJob } from './cancel.ts'
import type { IngressCore } from './dependencies.ts'
import type { JoinPoint } from './earlier-job.ts'
import { type JobTrack, trackFromStart } from './job-track.ts'

/** How waiting for an interactive job came to its end. */
export type ExchangeOutcome =
  | { readonly kind: 'ended'; readonly status: TerminalStatus; readonly end: EndPayload }
  /** No end was seen: the log is lost, the time is up, this process stops, or the output broke off. */
  | { readonly kind: 'failed'; readonly error: ErrorDetail }
  | { readonly kind: 'disconnected' }

export interface ExchangeHandler {
  /** Entries before the end. False: hold back until `resume`. */
  onEntries(entries: readonly LogEntry[]): boolean
  /** Called once; nothing comes after it. */
  onOutcome(outcome: ExchangeOutcome): void
}

/**
 * One client that waits on its connection for one interactive job: follows the log, and sees to the job when the client
 * goes away, the time is up or the process stops. Start it before the job is opened.
 * One that joins a job which another request has opened (and keeps its result) only follows: the job is not its own.
 */
export class Exchange implements FollowOptions {
  readonly after: LogPosition | null
  readonly attached: boolean
  readonly spec: JobSpec
  readonly track: JobTrack
  readonly #core: IngressCore
  readonly #raw: ServerResponse
  readonly #handler: ExchangeHandler
  #following: Following | undefined
  #cancelDeadline: (() => void) | undefined
  #settled = false

  constructor(core: IngressCore, spec: JobSpec, raw: ServerResponse, handler: ExchangeHandler, join?: JoinPoint) {
    this.spec = spec
    this.after = join?.after ?? null
    this.attached = join === undefined
    this.track = join?.track ?? trackFromStart(spec)
    this.#core = core
    this.#raw = raw
    this.#handler = handler
  }

  start(): void {
    const { follower, clock, exchanges } = this.#core
    exchanges.add(this)
    this.#following = follower.follow(this.spec.id, this)
    this.#raw.once('close', this.#onClose)
    this.#cancelDeadline = clock.after(this.#waitMs(), () => this.#onDeadline())
  }

  resume(): void {
    this.#following?.resume()
  }

  onEntries(entries: readonly LogEntry[]): boolean {
    const now = this.#core.clock.now()
    for (const entry of entries) this.track.see(entry, now)
    const last = entries.at(-1)
    if (last === undefined || !isTerminalKind(last.kind)) return this.#handler.onEntries(entries)
    if (entries.length > 1) this.#handler.onEntries(entries.slice(0, -1))
    const end = JSON.parse(last.payload) as EndPayload
    this.#settle({ kind: 'ended', status: statusOfTerminalKind(last.kind), end })
    if (!this.spec.keepResult) this.#core.tokenLog.discard(this.spec.id)
    return true
  }

  onLost(): void {
    const message = 'The queue lost sight of this request. Please try again.'
    this.#settle({ kind: 'failed', error: { code: 'service_unavailable', message, retryAfterSeconds: 1 } })
  }

  /** Gives up on the client's side: the client gets `error`, the job is cancelled. */
  abandon(error: ErrorDetail): void {
    if (this.#settle({ kind: 'failed', error }) && !this.spec.keepResult) this.#cancel()
  }

  /** The submit itself failed. Redis may have taken it all the same: nobody waits for it any more. */
  refuse(error: ErrorDetail): void {
    if (!this.#settle({ kind: 'failed', error })) return
    this.#insistOnCancel('cancel-refused')
  }

  readonly #onClose = (): void => {
    if (!this.#settle({ kind: 'disconnected' })) return
    // Somebody who asked for the job to be finished has its result kept.
    if (!this.spec.keepResult) this.#cancel()
  }

  /** An asynchronous job may take longer than anybody waits on a connection. */
  #waitMs(): number {
    const leftMs = this.spec.finishBy - this.#core.clock.now()
    return this.spec.mode === 'async' ? Math.min(leftMs, this.#core.options.interactiveMs) : leftMs
  }

  #onDeadline(): void {
    if (this.spec.mode === 'async') {
      const message = `The job '${this.spec.id}' has not ended yet. Ask again, or read its events.`
      this.#settle({ kind: 'failed', error: { code: 'job_not_finished', message, retryAfterSeconds: 1 } })
      return
    }
    const seconds = Math.round((this.spec.finishBy - this.spec.createdAt) / 1000)
    const error: ErrorDetail = { code: 'job_expired', message: `The request was not finished within ${seconds} s.` }
    if (!this.#settle({ kind: 'failed', error })) return
    const { class: modelClass, hop } = this.track
    this.#core.background.run('expire', expireJob(this.#core, this.spec.id, { class: modelClass, hop }, error))
  }

  #cancel(): void {
    this.#insistOnCancel('cancel')
  }

  /** Redis may be away just now: nobody else would stop what nobody waits for. */
  #insistOnCancel(what: string): void {
    this.#core.background.insist(what, () => cancelJob(this.#core, this.spec.id), this.spec.finishBy)
  }

  #settle(outcome: ExchangeOutcome): boolean {
    if (this.#settled) return false
    this.#settled = true
    this.#following?.close()
    this.#cancelDeadline?.()
    this.#raw.off('close', this.#onClose)
    this.#core.exchanges.delete(this)
    this.#handler.onOutcome(outcome)
    return true
  }
}
