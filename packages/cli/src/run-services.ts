import { createService, type Log, runUntilSignal, type ServiceGroup } from '@inferq/runtime'
import type { CommandContext } from './context.ts'
import { toCommandError } from './failures.ts'

/**
 * Runs a group until a signal and gives the exit code. Of a start that failed it says on standard error what happened and
 * what can be done, and gives the code that belongs to it.
 */
export async function runServices(
  group: ServiceGroup,
  options: {
    readonly log: Log
    readonly context: CommandContext
    readonly onStarted: () => void
    /** Aborted by a part that finds later that it cannot go on; its reason is told like a start that failed. */
    readonly stopOn?: AbortSignal
  },
): Promise<number> {
  const { log, context, onStarted, stopOn } = options
  let failure: unknown
  stopOn?.addEventListener('abort', () => {
    failure ??= stopOn.reason
  })
  const watched = createService({
    name: group.name,
    async start() {
      try {
        await group.start()
      } catch (thrown) {
        failure = thrown
        throw thrown
      }
    },
    stop() {},
  })
  const run = { log, exit: context.exit, onStarted, ...(stopOn === undefined ? {} : { stopOn }) }
  const code = await runUntilSignal({ ...group, start: () => watched.start() }, run)
  if (failure === undefined) return code
  const { message, mend, exitCode } = toCommandError(failure)
  context.err(`inferq: ${message}\n${mend === undefined ? '' : `→ ${mend}\n`}`)
  return exitCode
}
