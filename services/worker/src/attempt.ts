import type { AttemptRecord, EndPayload, ErrorDetail, TerminalStatus } from '@inferq/contracts'
import type { JobQueue, JobReference, ProcessResult } from '@inferq/queue'
import type { FailureDecision } from '@inferq/routing'
import type { Clock } from '@inferq/runtime'
import type { BeginResult, LogWriter, TokenLog } from '@inferq/tokenlog'
import type { AttemptReport } from './attempt-report.ts'

export type Begun = Extract<BeginResult, { kind: 'begun' }>

export interface AttemptOptions {
  readonly begun: Begun
  readonly reference: JobReference
  readonly workerId: string
  readonly deployment: string | undefined
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly clock: Clock
  readonly report: AttemptReport
}

const done: ProcessResult = { kind: 'done' }
const outcomes = { requeue: 'requeued', retry: 'retried', fallback: 'fallback' } as const

/** One attempt of a job that has begun, and the two ways it may end: with the job, or without it. */
export class Attempt {
  readonly writer: LogWriter
  readonly startedAt: number
  readonly #options: AttemptOptions
  readonly #record: AttemptRecord
  #firstTokenAt: number | undefined

  constructor(options: AttemptOptions) {
    const { begun, reference, workerId, deployment, tokenLog, clock } = options
    this.#options = options
    this.startedAt = clock.now()
    this.writer = tokenLog.writer(begun.record.spec.id, begun.attempt, begun.nextSeq)
    this.#record = {
      attempt: begun.attempt,
      hop: reference.hop,
      class: reference.class,
      worker: workerId,
      startedAt: this.startedAt,
      ...(deployment === undefined ? {} : { deployment }),
    }
  }

  markFirstToken(): void {
    this.#firstTokenAt ??= this.#options.clock.now()
  }

  /** Ends the job. */
  async finish(status: TerminalStatus, end: Omit<EndPayload, 'at' | 'timings' | 'deployment'>): Promise<ProcessResult> {
    const { begun, tokenLog, clock, deployment } = this.#options
    const endedAt = clock.now()
    const ended: AttemptRecord = {
      ...this.#record,
      endedAt,
      outcome: status,
      ...(end.error === undefined ? {} : { error: end.error }),
    }
    const firstTokenAt = this.#firstTokenAt
    const result = await tokenLog.finish(begun.record, ended, status, {
      at: endedAt,
      timings: { startedAt: this.startedAt, endedAt, ...(firstTokenAt === undefined ? {} : { firstTokenAt }) },
      ...(deployment === undefined ? {} : { deployment }),
      ...end,
    })
    this.report(result === 'ended' ? status : 'superseded', end)
    return done
  }

  /** Ends the attempt alone: the job waits again, here or in the queue of its next candidate. */
  async release(decision: Exclude<FailureDecision, { move: 'fail' }>, error: ErrorDetail): Promise<ProcessResult> {
    const { begun, reference, tokenLog, queue, clock } = this.#options
    const { spec } = begun.record
    const { move } = decision
    const delayMs = move === 'fallback' ? 0 : decision.delayMs
    const hop = move === 'fallback' ? reference.hop + 1 : reference.hop
    const nextClass = spec.candidates[hop]?.class ?? reference.class
    const ended: AttemptRecord = { ...this.#record, endedAt: clock.now(), outcome: outcomes[move], error }
    const release = { move, reason: error.code, delayMs, hop, class: nextClass }
    const released = await tokenLog.release(spec.id, ended, release)
    this.report(released === 'released' ? outcomes[move] : 'superseded', { error })
    if (released === 'superseded') return done
    if (move !== 'fallback') return { kind: 'again', delayMs }
    // First there, then away from here: killed in between, this queue delivers again, and the job is forwarded then.
    await queue.enqueue({ ...reference, hop, class: nextClass })
    return done
  }

  report(outcome: string, end: Pick<EndPayload, 'usage' | 'error'> = {}): void {
    const { begun, reference, deployment, clock, report } = this.#options
    report({
      spec: begun.record.spec,
      attempt: begun.attempt,
      class: reference.class,
      deployment,
      outcome,
      end,
      startedAt: this.startedAt,
      endedAt: clock.now(),
      firstTokenAt: this.#firstTokenAt,
    })
  }
}
