import type { InferqConfig } from '@inferq/config'
import { type Candidate, type ErrorDetail, InferqError } from '@inferq/contracts'
import type { CallReport, DeploymentHealth } from '@inferq/health'
import type { JobQueue, JobReference, ProcessResult } from '@inferq/queue'
import type { Router } from '@inferq/routing'
import { type Clock, orAborted } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import { afterFailure } from './after-failure.ts'
import { Attempt, type Begun } from './attempt.ts'
import type { AttemptReport } from './attempt-report.ts'
import { callUpstream } from './call-upstream.ts'
import { type AttemptEnd, classifyEnd } from './classify-end.ts'
import type { Gate } from './gate/create-gate.ts'
import { isRefusal, searchForRoom } from './gate/find-room.ts'
import type { OutputMeter } from './operations/operation.ts'
import { pickDeployment } from './pick-deployment.ts'
import { createStopSignal } from './stop-signal.ts'
import type { Upstreams } from './upstreams.ts'

export interface AttemptRunnerOptions {
  readonly workerId: string
  /** The configuration in force now, and its routes. */
  config(): InferqConfig
  router(): Router
  readonly health: DeploymentHealth
  readonly upstreams: Upstreams
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly report: AttemptReport
  readonly gate: Pick<Gate, 'enter' | 'rejected' | 'parking'>
}

export type AttemptRunner = (begun: Begun, reference: JobReference, signal: AbortSignal) => Promise<ProcessResult>

/** One attempt under way. */
export interface AttemptContext extends AttemptRunnerOptions {
  readonly begun: Begun
  readonly reference: JobReference
  /** Undefined for a job that names no such candidate. */
  readonly candidate: Candidate | undefined
  readonly attempt: Attempt
  readonly meter: OutputMeter
}

/** Runs one attempt: picks a deployment, calls it, and ends the job or sends it on. */
export function createAttemptRunner(options: AttemptRunnerOptions): AttemptRunner {
  const { clock, log } = options
  const told = new WeakSet<InferqError>()

  return async (begun, reference, queueSignal) => {
    const { spec } = begun.record
    const candidate = spec.candidates[reference.hop]
    const given = { ...options, begun, reference, queueSignal, candidate, meter: { characters: 0 } }
    const attempt = new Attempt(given)
    const context: AttemptContext = Object.assign(given, { attempt })
    const leaveGate = options.gate.enter(reference.class, {
      ...{ request: spec.request, stream: spec.stream, meter: context.meter, startedAt: attempt.startedAt },
    })
    const stop = createStopSignal(queueSignal, attempt.writer, spec.finishBy - attempt.startedAt)
    try {
      const picked = await pickDeployment(begun.record, reference.hop, {
        router: options.router(),
        health: options.health,
        maxTries: options.config().workers.maxAttempts,
        now: clock.now(),
        random: options.random,
      })
      if (picked.kind === 'none') return await afterFailure(context, picked.error, 0)
      let ended = await call(context, picked.deployment, picked.call, stop.signal)
      if (ended.kind === 'settled') return ended.result
      const room = searchForRoom(context, picked, stop.signal)
      for (;;) {
        const again: CallReport | undefined = await room.again(ended.thrown)
        if (again === undefined) return await settle(context, ended.thrown, stop.signal, picked.others)
        ended = await call(context, picked.deployment, again, stop.signal)
        if (ended.kind === 'settled') return ended.result
      }
    } catch (thrown) {
      return await settle(context, thrown, stop.signal, 0)
    } finally {
      attempt.writer.abandon()
      stop.release()
      leaveGate()
    }
  }

  type CallEnd =
    | { readonly kind: 'settled'; readonly result: ProcessResult }
    | { readonly kind: 'thrown'; readonly thrown: unknown }

  /** The call, told to the deployment's health and to the gate however it ends. */
  async function call(
    context: AttemptContext,
    deployment: Parameters<typeof callUpstream>[1],
    report: CallReport,
    signal: AbortSignal,
  ): Promise<CallEnd> {
    const { attempt, gate, reference } = context
    const leave = gate.parking.enter(deployment.id)
    let refused = false
    try {
      const result = await callUpstream(context, deployment, report, signal)
      attempt.count(result.usage)
      const { promptTokens, completionTokens } = result.usage
      // Of an answer that comes whole nothing is known before its end.
      const latencyMs = attempt.firstTokenMs ?? clock.now() - attempt.startedAt
      report.succeeded({ latencyMs, tokens: promptTokens + completionTokens })
      if (result.kind === 'rejected') {
        throw new InferqError({ code: 'answer_rejected', message: `The answer will not do: ${result.reason}.` })
      }
      // Nothing of a whole answer is in the log before its end.
      if (!attempt.writer.isFlushed) await orAborted(attempt.writer.flush(), signal)
      return { kind: 'settled', result: await attempt.finish('completed', result.end) }
    } catch (thrown) {
      // Of a call for several jobs' embeddings each of them hears, and it was one.
      const isNews = thrown instanceof InferqError && !signal.aborted && !told.has(thrown)
      if (isNews) told.add(thrown)
      if (isNews) report.failed(thrown.detail)
      else report.abandoned()
      refused = isRefusal(context, thrown)
      if (isNews && refused) gate.rejected(reference.class, thrown.detail)
      return { kind: 'thrown', thrown }
    } finally {
      leave(refused)
    }
  }

  /** The end of an attempt that has no answer. */
  async function settle(
    context: AttemptContext,
    thrown: unknown,
    signal: AbortSignal,
    others: number,
  ): Promise<ProcessResult> {
    const { attempt, begun } = context
    const end: AttemptEnd = classifyEnd(thrown, signal)
    switch (end.kind) {
      case 'cancelled':
      case 'expired':
        return attempt.finish(end.kind, { error: end.error })
      case 'draining':
        return attempt.release({ move: 'requeue', delayMs: 0 }, end.error)
      case 'fenced':
        attempt.report('superseded')
        return { kind: 'done' }
      case 'unknown':
        throw thrown
      case 'failed': {
        if (end.error.code === 'internal_error') {
          const { spec } = begun.record
          log.error({ jobId: spec.id, attempt: begun.attempt, error: thrown }, 'attempt-failed-unexpectedly')
        }
        return afterFailure(context, end.error satisfies ErrorDetail, others)
      }
      default:
        return end satisfies never
    }
  }
}
