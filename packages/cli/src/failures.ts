import { InferqError } from '@inferq/contracts'
import { errorMessage, RuntimeError } from '@inferq/runtime'
import { CommandError, exitCodes } from './exit-codes.ts'

/** Makes of anything thrown what a user can act on: an exit code, one line, and a mend where there is one. */
export function toCommandError(thrown: unknown): CommandError {
  const found = findKnownError(thrown)
  if (found instanceof CommandError) return found
  const cause = { cause: thrown }
  if (found instanceof InferqError) {
    const code = found.code === 'service_unavailable' ? exitCodes.unreachable : exitCodes.failed
    return new CommandError(code, found.message, undefined, cause)
  }
  if (found === undefined) return new CommandError(exitCodes.failed, errorMessage(thrown), undefined, cause)
  switch (found.code) {
    case 'redis_unreachable':
      return new CommandError(exitCodes.unreachable, found.message, 'see that REDIS_URL names a Redis that runs', cause)
    case 'redis_url_invalid':
    case 'environment_invalid':
      return new CommandError(exitCodes.configInvalid, found.message, undefined, cause)
    case 'redis_binary_missing':
      return new CommandError(exitCodes.failed, found.message, undefined, cause)
    case 'data_dir_locked':
      return new CommandError(
        exitCodes.failed,
        found.message,
        'INFERQ_DATA_DIR=.inferq-2 names another data directory',
        cause,
      )
    default:
      return new CommandError(exitCodes.failed, found.message, undefined, cause)
  }
}

/** A group wraps the error of its part: what happened is in the innermost one of ours. A CommandError says it best. */
function findKnownError(thrown: unknown): RuntimeError | InferqError | CommandError | undefined {
  let found: RuntimeError | InferqError | undefined
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (error instanceof CommandError) return error
    if (error instanceof RuntimeError || error instanceof InferqError) found = error
  }
  return found
}
