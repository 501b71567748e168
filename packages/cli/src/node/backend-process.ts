import { type ChildExit, type Clock, createSupervisor, type Supervisor, spawnChild } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import type { Variables } from '../settings.ts'
import type { CommandLine } from './command-line.ts'

export interface BackendProcessOptions {
  readonly command: CommandLine
  /** Of this process; what is ours in it the backend does not get. */
  readonly variables: Variables
  /** What pins it to its GPU. */
  readonly pin: Readonly<Record<string, string>>
  readonly log: Logger
  readonly clock: Clock
  /** Called each time it has ended without being asked, with its last lines. */
  readonly onExit: (exit: ChildExit, lastLines: readonly string[]) => void
}

/** A backend that is told to stop has this long; a model server has a lot to let go of. */
const stopMs = 15_000

/**
 * A backend kept alive: its lines go to the log, and it is started again when it ends. It never outlives this process, and
 * nothing of it does: model servers start processes of their own, which would keep the GPU's memory.
 */
export function createBackendProcess(options: BackendProcessOptions): Supervisor {
  const { command, variables, pin, log, clock, onExit } = options
  return createSupervisor({
    name: 'backend',
    log,
    clock,
    backoff: { firstMs: 500, maxMs: 30_000 },
    killAfterMs: stopMs,
    async spawn() {
      const child = await spawnChild({
        name: 'backend',
        command: command.program,
        args: command.args,
        env: { ...backendVariables(variables), ...pin, ...command.variables },
        wholeGroup: true,
        log,
        orphanGraceSeconds: stopMs / 1000,
        onLine: (line) => log.info({ line }, 'backend-output'),
      })
      log.info({ pid: child.pid, program: command.program }, 'backend-started')
      void child.exited.then((exit) => onExit(exit, child.recentLines().slice(-5)))
      return child
    },
  })
}

/** Others' code runs there: it gets no way to Redis, and none of our keys. */
function backendVariables(variables: Variables): Record<string, string> {
  const others = Object.entries(variables).filter(([name]) => !/^(INFERQ_|LITELLM_|REDIS_URL|DATABASE_URL)/.test(name))
  return Object.fromEntries(others.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}
