import { fileURLToPath } from 'node:url'
import { type Child, type ChildOptions, spawnChild } from './child-process.ts'
import type { Clock } from './clock.ts'
import { createDeadline, orAborted } from './deadline.ts'
import { errorMessage, RuntimeError } from './errors.ts'

export interface NodeProgram extends Omit<ChildOptions, 'command' | 'args' | 'onMessage'> {
  /** The main module: a path or a file: URL. */
  readonly main: string | URL
  readonly args?: readonly string[]
  readonly execArgv?: readonly string[]
}

export interface NodeChildOptions extends NodeProgram {
  readonly clock: Clock
  /** Within which the child has to call `reportReady`. */
  readonly readyTimeoutMs: number
  /** Aborting it while the child starts ends the child. */
  readonly signal?: AbortSignal
}

/** What a Node child tells its parent about its start. */
type StartReport =
  | { readonly start: 'ready'; readonly detail: unknown }
  | { readonly start: 'failed'; readonly message: string; readonly detail: unknown }

/** A child that did not become ready. `detail` is what it gave to `reportStartFailure`, if it got that far. */
export class ChildStartError extends RuntimeError {
  readonly detail: unknown

  constructor(message: string, detail: unknown, options?: ErrorOptions) {
    super('child_start_failed', message, options)
    this.name = 'ChildStartError'
    this.detail = detail
  }
}

/**
 * Starts a Node program that dies with this process, and waits until it calls `reportReady`.
 * Throws ChildStartError, leaving no child behind, when it exits, reports a failure, or takes too long.
 */
export async function spawnNodeChild(options: NodeChildOptions): Promise<Child & { readonly detail: unknown }> {
  const { clock, readyTimeoutMs, signal, ...rest } = options
  const reported = Promise.withResolvers<StartReport>()
  const child = await spawnReporting(rest, reported.resolve)
  const deadline = createDeadline(clock, {
    timeoutMs: readyTimeoutMs,
    what: `starting ${options.name}`,
    parent: signal,
  })
  try {
    const first = await orAborted(Promise.race([reported.promise, child.exited]), deadline.signal)
    if (!('start' in first)) {
      const output = child.recentLines().slice(-5).join(' | ')
      throw new ChildStartError(`${options.name} exited with ${first.code ?? first.signal}: ${output}`, undefined)
    }
    if (first.start === 'failed') throw new ChildStartError(first.message, first.detail)
    return { ...child, detail: first.detail }
  } catch (thrown) {
    child.kill('SIGKILL')
    await child.exited
    if (thrown instanceof ChildStartError) throw thrown
    throw new ChildStartError(errorMessage(thrown), undefined, { cause: thrown })
  } finally {
    deadline.release()
  }
}

/**
 * Starts a Node program that dies with this process, and does not wait until it works: for one whose start takes minutes
 * and that can be stopped meanwhile. `onReady` is called when it calls `reportReady`.
 */
export function launchNodeChild(options: NodeProgram & { readonly onReady: () => void }): Promise<Child> {
  const { onReady, ...program } = options
  return spawnReporting(program, (report) => {
    if (report.start === 'ready') onReady()
  })
}

function spawnReporting(program: NodeProgram, onReport: (report: StartReport) => void): Promise<Child> {
  const { main, args = [], execArgv = [], ...rest } = program
  return spawnChild({
    ...rest,
    command: process.execPath,
    args: [...execArgv, main instanceof URL ? fileURLToPath(main) : main, ...args],
    onMessage: (message) => {
      if (isStartReport(message)) onReport(message)
    },
  })
}

/** For a child's main.ts: tells the parent that it works. Without a parent that listens, nothing happens. */
export function reportReady(detail: unknown = null): void {
  report({ start: 'ready', detail })
}

/** For a child's main.ts: tells the parent why it cannot start; `detail` must be plain JSON. */
export function reportStartFailure(thrown: unknown, detail: unknown = null): void {
  report({ start: 'failed', message: errorMessage(thrown), detail })
}

function report(message: StartReport): void {
  if (process.connected) process.send?.(message)
}

function isStartReport(message: unknown): message is StartReport {
  return (
    typeof message === 'object' &&
    message !== null &&
    'start' in message &&
    (message.start === 'ready' || message.start === 'failed')
  )
}
