import { type EndPayload, type ErrorDetail, InferqError } from '@inferq/contracts'

/** The result of a job that completed; throws the error of one that did not. */
export function resultOf(status: string, end: EndPayload): object {
  if (status === 'completed' && typeof end.result === 'object' && end.result !== null) return end.result
  throw new InferqError(errorOfEnd(status, end))
}

/** Why a job that gave no result ended. */
export function errorOfEnd(status: string, end: EndPayload): ErrorDetail {
  if (end.error !== undefined) return end.error
  if (status === 'cancelled') return { code: 'job_cancelled', message: 'The job was cancelled.' }
  if (status === 'expired') return { code: 'job_expired', message: 'The job was not finished in time.' }
  return { code: 'internal_error', message: 'The job ended without a result.' }
}
