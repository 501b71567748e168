import { errorMessage } from '@inferq/runtime'
import { ErrorCode } from 'bullmq'

const lostJobCodes: ReadonlySet<unknown> = new Set([
  ErrorCode.JobNotExist,
  ErrorCode.JobLockNotExist,
  ErrorCode.JobLockMismatch,
  ErrorCode.JobNotInState,
])

/** The job is another's, or Redis has lost it: its attempt is told so by its lock and by its log. */
export function isOfLostJob(error: Error): boolean {
  const { code } = error as { readonly code?: unknown }
  // BullMQ says the same once more, without a code, after `lockRenewalFailed`.
  return lostJobCodes.has(code) || errorMessage(error).startsWith('could not renew lock')
}
