import type { Deployment } from '@inferq/config'
import { type ErrorDetail, InferqError } from '@inferq/contracts'
import type { JobQueue, JobReference, ProcessResult } from '@inferq/queue'
import { chooseDeployment, decideAfterFailure, type Routes } from '@inferq/routing'
import type { Clock } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import type { TokenLog } from '@inferq/tokenlog'
import { Attempt, type Begun } from './attempt.ts'
import type { AttemptReport } from './attempt-report.ts'
import { classifyEnd } from './classify-end.ts'
import { operations } from './operations/index.ts'
import type { OperationResult } from './operations/operation.ts'
import { createStopSignal } from './stop-signal.ts'
import type { Upstreams } from './upstreams.ts'

export interface AttemptRunnerOptions {
  readonly workerId: string
  readonly maxTries: number
  readonly routes: Routes
  readonly upstreams: Upstreams
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
  readonly report: AttemptReport
}

export type AttemptRunner = (begun: Begun, reference: JobReference, signal: AbortSignal) => Promise<ProcessResult>

/** How often a busy upstream may send an interactive job back before its client hears of it. */
const maxInteractiveRequeues = 6

/** Runs one attempt: chooses a deployment, calls it, and ends the job or sends it on. */
export function createAttemptRunner(options: AttemptRunnerOptions): AttemptRunner {
  const { maxTries, routes, upstreams, clock, random, log } = options

  return async (begun, reference, queueSignal) => {
    const { spec } = begun.record
    const deployment = choose(begun, reference)
    const attempt = new Attempt({ ...options, begun, reference, deployment: deployment?.id })
    const stop = createStopSignal(queueSignal, attempt.writer.fenced, spec.finishBy - attempt.startedAt)
    try {
      const result = await call(attempt, begun, deployment, stop.signal)
      return await attempt.finish('completed', { ...result, costMicroUsd: null })
    } catch (thrown) {
      return await settle(thrown, attempt, begun, reference, stop.signal)
    } finally {
      stop.release()
    }
  }

  /** One of the candidate's deployments, rather not one that this job has failed on. */
  function choose(begun: Begun, reference: JobReference): Deployment | undefined {
    const candidate = begun.record.spec.candidates[reference.hop]
    if (candidate === undefined) return undefined
    const failed = begun.record.attempts.flatMap(({ outcome, deployment }) =>
      outcome === 'retried' && deployment !== undefined ? [deployment] : [],
    )
    return chooseDeployment(routes.deploymentsOf(candidate), random, failed)
  }

  async function call(
    attempt: Attempt,
    begun: Begun,
    deployment: Deployment | undefined,
    signal: AbortSignal,
  ): Promise<OperationResult> {
    const { spec } = begun.record
    if (deployment === undefined) {
      const message = `No deployment of the model '${spec.model}' is configured here.`
      throw new InferqError({ code: 'no_deployment', message })
    }
    signal.throwIfAborted()
    const result = await operations[spec.operation]({
      spec,
      provider: upstreams.of(deployment),
      contextWindow: deployment.contextWindow,
      writer: attempt.writer,
      signal,
      onFirstToken: () => attempt.markFirstToken(),
    })
    await attempt.writer.flush()
    return result
  }

  /** The end of an attempt that has no answer. */
  async function settle(
    thrown: unknown,
    attempt: Attempt,
    begun: Begun,
    reference: JobReference,
    signal: AbortSignal,
  ): Promise<ProcessResult> {
    const end = classifyEnd(thrown, signal)
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
          log.error(
            { jobId: begun.record.spec.id, attempt: begun.attempt, error: thrown },
            'attempt-failed-unexpectedly',
          )
        }
        return afterFailure(end.error, attempt, begun, reference)
      }
      default:
        return end satisfies never
    }
  }

  function afterFailure(
    error: ErrorDetail,
    attempt: Attempt,
    { record }: Begun,
    reference: JobReference,
  ): Promise<ProcessResult> {
    const decision = decideAfterFailure({
      error,
      tries: record.tries + 1,
      maxAttempts: maxTries,
      requeues: record.attempts.filter(({ outcome }) => outcome === 'requeued').length,
      ...(record.spec.mode === 'interactive' ? { maxRequeues: maxInteractiveRequeues } : {}),
      shownOutput: attempt.writer.shownOutput,
      now: clock.now(),
      finishBy: record.spec.finishBy,
      random,
      isLastCandidate: reference.hop + 1 >= record.spec.candidates.length,
    })
    return decision.move === 'fail' ? attempt.finish('failed', { error }) : attempt.release(decision, error)
  }
}
