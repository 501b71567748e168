import type { ErrorDetail } from '@inferq/contracts'
import type { ProcessResult } from '@inferq/queue'
import { attemptsAt, decideAfterFailure, summariseFailures } from '@inferq/routing'
import type { AttemptContext } from './run-attempt.ts'

/** How often a busy upstream may send an interactive job back before its client hears of it. */
const maxInteractiveRequeues = 6
/** A deployment of a configuration that this worker has not loaded yet: for so long, it may still come. */
const configLagMs = 2_000
const configLookMs = 250

/**
 * Sends the job on after a failed attempt, or ends it with what all its attempts have met. `others`: further deployments of
 * the candidate that may be called now.
 */
export async function afterFailure(
  context: AttemptContext,
  error: ErrorDetail,
  others: number,
): Promise<ProcessResult> {
  const { attempt, begun, reference, clock, random, config } = context
  const { record } = begun
  const { spec } = record
  const now = clock.now()
  const here = attemptsAt(record.attempts, reference.hop, now)
  if (error.code === 'no_deployment' && here.failingForMs < configLagMs) {
    return attempt.release({ move: 'requeue', delayMs: configLookMs }, error)
  }
  const { workers, retries } = config()
  const decision = decideAfterFailure({
    error,
    candidates: spec.candidates,
    hop: reference.hop,
    tries: record.tries + 1,
    maxAttempts: workers.maxAttempts,
    retries,
    requeues: here.requeues,
    ...(spec.mode === 'interactive' ? { maxRequeues: maxInteractiveRequeues } : {}),
    failingForMs: here.failingForMs,
    otherDeployments: others,
    interactive: spec.mode === 'interactive',
    shownOutput: attempt.writer.shownOutput,
    now,
    finishBy: spec.finishBy,
    random,
  })
  if (decision.move !== 'fail') return attempt.release(decision, error)
  const summary = summariseFailures([...record.attempts, attempt.asFailed(error)])
  return attempt.finish('failed', { error: summary ?? error }, error)
}
