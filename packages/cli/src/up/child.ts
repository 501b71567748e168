import { fileURLToPath } from 'node:url'
import { type Child, type Clock, spawnNodeChild } from '@inferq/runtime'
import type { LogDestination, Logger } from '@inferq/telemetry'
import type { Variables } from '../settings.ts'

export interface ChildCommand {
  readonly name: string
  /** Arguments of `inferq`. */
  readonly args: readonly string[]
  readonly variables: Variables
  readonly log: Logger
  readonly clock: Clock
  /** Takes the child's own log lines. */
  readonly destination: LogDestination
  readonly signal: AbortSignal
}

/** What `inferq` runs. */
export const inferqMain = fileURLToPath(new URL('../main.ts', import.meta.url))
const readyTimeoutMs = 30_000
/** A child whose parent was killed: what it serves is gone with the parent's Redis. */
const orphanGraceSeconds = 3

/** Starts another `inferq` command as a child of this process, and gives what it reported when it was ready. */
export function spawnCommand(command: ChildCommand): Promise<Child & { readonly detail: unknown }> {
  const { name, args, variables, log, clock, destination, signal } = command
  return spawnNodeChild({
    name,
    main: inferqMain,
    args,
    execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
    env: { ...variables },
    log,
    clock,
    readyTimeoutMs,
    orphanGraceSeconds,
    onLine: (line) => destination.write(`${line}\n`),
    signal,
  })
}
