import { type Clock, createSupervisor, launchNodeChild, type Supervisor } from '@inferq/runtime'
import type { LogDestination, Logger } from '@inferq/telemetry'
import { CommandError, exitCodes } from '../exit-codes.ts'
import type { Variables } from '../settings.ts'
import { inferqMain } from '../up/child.ts'

export interface LaneOptions {
  /** As the operator sees it: `GPU 0`. */
  readonly label: string
  /** Arguments of `inferq` that make its worker. */
  readonly args: readonly string[]
  readonly variables: Variables
  /** What its worker needs to end in order, its backend included. */
  readonly stopSeconds: number
  readonly log: Logger
  readonly clock: Clock
  readonly destination: LogDestination
  readonly onEvent: (label: string, event: LaneEvent) => void
  /** It can never work: what was asked for is wrong. */
  readonly giveUp: (error: CommandError) => void
}

export type LaneEvent =
  | { readonly kind: 'serving' }
  /** Its worker has ended unasked, and is started again. */
  | { readonly kind: 'ended'; readonly how: string; readonly why: string | undefined }

/**
 * The worker of one GPU as a process of its own, started again when it ends. It is up as soon as its process runs, and
 * serves when it says so: a model may take minutes to load, in which it can be stopped like any other.
 */
export function createLane(options: LaneOptions): Supervisor {
  const { label, args, variables, stopSeconds, log, clock, destination, onEvent, giveUp } = options
  let hasServed = false
  let isStopping = false

  const supervisor = createSupervisor({
    name: label,
    log,
    clock,
    backoff: { firstMs: 1_000, maxMs: 30_000 },
    async spawn() {
      const child = await launchNodeChild({
        name: label,
        main: inferqMain,
        args,
        execArgv: process.execArgv.filter((flag) => !flag.startsWith('--inspect')),
        env: { ...variables },
        log,
        orphanGraceSeconds: stopSeconds,
        onLine: (line) => destination.write(`${line}\n`),
        onReady() {
          hasServed = true
          onEvent(label, { kind: 'serving' })
        },
      })
      void child.exited.then(({ code, signal }) => {
        if (isStopping) return
        const why = lastWords(child.recentLines())
        onEvent(label, { kind: 'ended', how: String(code ?? signal), why })
        const isWrong = code === exitCodes.configInvalid || code === exitCodes.usage
        if (isWrong && !hasServed) giveUp(new CommandError(code, `${label}: ${why ?? 'its worker refuses to start'}`))
      })
      return child
    },
  })
  return {
    ...supervisor,
    get state() {
      return supervisor.state
    },
    get pid() {
      return supervisor.pid
    },
    get restarts() {
      return supervisor.restarts
    },
    stop(deadline) {
      isStopping = true
      return supervisor.stop(deadline)
    },
  }
}

/** What a command that fails says to its user, among its lines of log. */
function lastWords(lines: readonly string[]): string | undefined {
  const said = lines.filter((line) => /^(inferq: |→ |\s+\S)/.test(line)).map((line) => line.replace(/^inferq: /, ''))
  return said.length === 0 ? undefined : said.join('\n')
}
