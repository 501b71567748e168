import { InferqError } from '@inferq/contracts'

/** What a command that Redis did not answer comes to. */
export function toUnavailable(cause: unknown): never {
  throw new InferqError(
    { code: 'service_unavailable', message: 'The queue is not available.', retryAfterSeconds: 1 },
    { cause },
  )
}
