import { type ErrorDetail, InferqError } from '@inferq/contracts'
import { LostLockError } from '@inferq/queue'
import { CancelledError, DeadlineReachedError, DrainingError, FencedError } from './stop-reasons.ts'

/** How an attempt came to its end without an answer. */
export type AttemptEnd =
  | { readonly kind: 'cancelled'; readonly error: ErrorDetail }
  | { readonly kind: 'expired'; readonly error: ErrorDetail }
  | { readonly kind: 'draining'; readonly error: ErrorDetail }
  /** Somebody else has the job: nothing may be written, and nothing has to be. */
  | { readonly kind: 'fenced' }
  | { readonly kind: 'failed'; readonly error: ErrorDetail }
  /** Redis did not answer: whether the job ended is not known here. The queue delivers it again. */
  | { readonly kind: 'unknown' }

/** `thrown` is what the operation rejected with; `stop` was aborted when we asked it to. */
export function classifyEnd(thrown: unknown, stop: AbortSignal): AttemptEnd {
  const reason: unknown = stop.aborted ? stop.reason : thrown
  if (reason instanceof CancelledError) {
    return { kind: 'cancelled', error: { code: 'job_cancelled', message: 'The job was cancelled.' } }
  }
  if (reason instanceof DeadlineReachedError) {
    return { kind: 'expired', error: { code: 'job_expired', message: 'The job did not end in time.' } }
  }
  if (reason instanceof DrainingError) {
    return { kind: 'draining', error: { code: 'service_unavailable', message: 'The worker is stopping.' } }
  }
  if (reason instanceof FencedError || reason instanceof LostLockError) return { kind: 'fenced' }
  if (reason instanceof InferqError) {
    return reason.code === 'service_unavailable' ? { kind: 'unknown' } : { kind: 'failed', error: reason.detail }
  }
  return { kind: 'failed', error: { code: 'internal_error', message: 'The worker failed on this job.' } }
}
