import type { Deployment } from '@inferq/config'
import type { AttemptRecord, EndPayload, ErrorDetail, TerminalStatus, TokenUsage } from '@inferq/contracts'
import { type JobQueue, type JobReference, type ProcessResult, referenceTo } from '@inferq/queue'
import type { Clock } from '@inferq/runtime'
import type { BeginResult, LogWriter, TokenLog } from '@inferq/tokenlog'
import type { AttemptReport } from './attempt-report.ts'
import { costOfAttempt, costOfJob } from './bill.ts'
import { persist } from './persist.ts'

export type Begun = Extract<BeginResult, { kind: 'begun' }>

/** Where a job goes that does not end with this attempt. */
export type Onward =
  | { readonly move: 'requeue' | 'retry'; readonly delayMs: number }
  | { readonly move: 'fallback'; readonly hop: number }

export interface AttemptOptions {
  readonly begun: Begun
  readonly reference: JobReference
  readonly workerId: string
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  /** Of the queue: aborted with LostLockError when the job is another's. */
  readonly queueSignal: AbortSignal
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly report: AttemptReport
}

const done: ProcessResult = { kind: 'done' }
const outcomes = { requeue: 'requeued', retry: 'retried', fallback: 'fallback' } as const

/** One attempt of a job that has begun, and the two ways it may end: with the job, or without it. */
export class Attempt {
  readonly writer: LogWriter
  readonly startedAt: number
  readonly #options: AttemptOptions
  #deployment: Deployment | undefined
  #upstreamModel = ''
  #continued = false
  #usage: TokenUsage | undefined
  #firstTokenAt: number | undefined

  constructor(options: AttemptOptions) {
    const { begun, tokenLog, clock } = options
    this.#options = options
    this.startedAt = clock.now()
    this.writer = tokenLog.writer(begun.record.spec.id, begun.attempt)
  }

  /** The deployment that is about to be called. */
  serve(deployment: Deployment, model: string, upstreamModel: string): void {
    this.#deployment = deployment
    this.#upstreamModel = upstreamModel
    if (this.#options.begun.record.spec.stream) this.writer.serve({ model, deployment: deployment.id })
  }

  /** What readers have is gone on with, by the deployment that serves. */
  goOn(model: string): void {
    this.#continued = true
    this.writer.serve({ model, deployment: this.#deployment?.id ?? '', continued: true })
  }

  /** What readers have is void. */
  startOver(model: string): void {
    this.#continued = false
    this.writer.reset()
    if (this.#deployment !== undefined) this.serve(this.#deployment, model, this.#upstreamModel)
  }

  /** What the calls of this attempt have used, whatever becomes of it. */
  count(usage: TokenUsage): void {
    this.#usage = usage
  }

  /** At the first sign of output: the time since the start, in ms; undefined at every later one. */
  markFirstToken(): number | undefined {
    if (this.#firstTokenAt !== undefined) return undefined
    this.#firstTokenAt = this.#options.clock.now()
    return this.firstTokenMs
  }

  /** From the start to the first sign of output; undefined before it. */
  get firstTokenMs(): number | undefined {
    return this.#firstTokenAt === undefined ? undefined : this.#firstTokenAt - this.startedAt
  }

  /** Ends the job. `own`: what this attempt has met, where the job's error is about all of them. */
  async finish(
    status: TerminalStatus,
    end: Pick<EndPayload, 'result' | 'finishReason' | 'usage' | 'error'>,
    own: ErrorDetail | undefined = end.error,
  ): Promise<ProcessResult> {
    const { begun, clock } = this.#options
    const endedAt = clock.now()
    const ended = this.#ended(endedAt, status, own)
    const firstTokenAt = this.#firstTokenAt
    const deployment = this.#deployment?.id
    const payload: EndPayload = {
      at: endedAt,
      timings: { startedAt: this.startedAt, endedAt, ...(firstTokenAt === undefined ? {} : { firstTokenAt }) },
      ...(deployment === undefined ? {} : { deployment }),
      ...(this.#usage === undefined ? {} : { usage: this.#usage }),
      ...end,
      costNanoUsd: costOfJob(begun.record.attempts, ended),
    }
    const result = await this.#persist((tokenLog) => tokenLog.finish(begun.record, ended, status, payload))
    this.report(result === 'ended' ? status : 'superseded', own)
    return done
  }

  /** Ends the attempt alone: the job waits again, here or in the queue of another candidate. */
  async release(onward: Onward, error: ErrorDetail): Promise<ProcessResult> {
    const { begun, reference, queue, clock } = this.#options
    const { spec } = begun.record
    const { move } = onward
    const delayMs = onward.move === 'fallback' ? 0 : onward.delayMs
    const hop = onward.move === 'fallback' ? onward.hop : reference.hop
    const nextClass = spec.candidates[hop]?.class ?? reference.class
    const ended = this.#ended(clock.now(), outcomes[move], error)
    const release = { move, reason: error.code, delayMs, hop, class: nextClass }
    const released = await this.#persist((tokenLog) => tokenLog.release(spec.id, ended, release))
    this.report(released === 'released' ? outcomes[move] : 'superseded', error)
    if (released === 'superseded') return done
    if (move !== 'fallback') return { kind: 'again', delayMs }
    // First there, then away from here: killed in between, this queue delivers again, and the job is forwarded then.
    await this.#persist(() => queue.enqueue(referenceTo(spec, hop)))
    return done
  }

  /** The record of this attempt if it failed now. */
  asFailed(error: ErrorDetail): AttemptRecord {
    return this.#ended(this.#options.clock.now(), 'failed', error)
  }

  report(outcome: string, error?: ErrorDetail): void {
    const { begun, reference, clock, report } = this.#options
    report({
      spec: begun.record.spec,
      attempt: begun.attempt,
      hop: reference.hop,
      class: reference.class,
      deployment: this.#deployment?.id,
      outcome,
      error,
      usage: this.#usage,
      costNanoUsd: this.#cost(),
      startedAt: this.startedAt,
      endedAt: clock.now(),
      firstTokenAt: this.#firstTokenAt,
    })
  }

  #persist<T>(step: (tokenLog: TokenLog) => Promise<T>): Promise<T> {
    const { tokenLog, clock, random, queueSignal: signal } = this.#options
    return persist(() => step(tokenLog), { clock, random, signal })
  }

  #cost(): number | null | undefined {
    if (this.#usage === undefined || this.#deployment === undefined) return undefined
    return costOfAttempt(this.#deployment, this.#upstreamModel, this.#usage)
  }

  #ended(endedAt: number, outcome: NonNullable<AttemptRecord['outcome']>, error?: ErrorDetail): AttemptRecord {
    const { begun, reference, workerId } = this.#options
    const usage = this.#usage
    const costNanoUsd = this.#cost()
    return {
      attempt: begun.attempt,
      hop: reference.hop,
      class: reference.class,
      worker: workerId,
      startedAt: this.startedAt,
      ...(this.#deployment === undefined ? {} : { deployment: this.#deployment.id }),
      endedAt,
      outcome,
      ...(error === undefined ? {} : { error }),
      ...(this.#continued ? { continued: true } : {}),
      ...(usage === undefined ? {} : { usage }),
      ...(costNanoUsd === undefined ? {} : { costNanoUsd }),
    }
  }
}
