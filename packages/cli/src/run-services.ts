import { createService, type Log, runUntilSignal, type ServiceGroup } from '@inferq/runtime'
import type { CommandContext } from './context.ts'
import { toCommandError } from './failures.ts'

/**
 * Runs a group until a signal and gives the exit code. Of a start that failed it says on standard error what happened and
 * what can be done, and gives the code that belongs to it.
 */
export async function runServices(
  group: ServiceGroup,
  options: { readonly log: Log; readonly context: CommandContext; readonly onStarted: () => void },
): Promise<number> {
  const { log, context, onStarted } = options
  let failure: unknown
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
  const code = await runUntilSignal({ ...group, start: () => watched.start() }, { log, exit: context.exit, onStarted })
  if (failure === undefined) return code
  const { message, mend, exitCode } = toCommandError(failure)
  context.err(`inferq: ${message}\n${mend === undefined ? '' : `→ ${mend}\n`}`)
  return exitCode
}
