import type { Redis } from 'ioredis'
import type { Clock } from '../clock.ts'

/**
 * Rejects every command that has no reply yet. ioredis (6.0.0) keeps commands of a lost connection aside, to send them
 * again, and settles those neither when it gives up on requests nor when it is closed while reconnecting: a Redis that
 * takes connections but does not answer would leave their callers waiting for ever.
 */
export function rejectPendingCommands(redis: Redis, error: Error): void {
  const kept: unknown = Reflect.get(redis, 'prevCommandQueue')
  if (isCommandQueue(kept)) {
    for (let item = kept.shift(); item; item = kept.shift()) item.command.reject(error)
  }
  const flushQueue: unknown = Reflect.get(redis, 'flushQueue')
  if (typeof flushQueue === 'function') flushQueue.call(redis, error)
}

/** Rejects what is pending when a lost connection is not back after `graceMs`. */
export function rejectPendingUnlessBack(redis: Redis, clock: Clock, graceMs: number): void {
  let cancel: (() => void) | undefined
  redis.on('close', () => {
    cancel ??= clock.after(graceMs, () => {
      rejectPendingCommands(redis, new Error(`the connection to Redis was lost and not back within ${graceMs} ms`))
    })
  })
  const stopWaiting = (): void => {
    cancel?.()
    cancel = undefined
  }
  redis.on('ready', stopWaiting)
  redis.on('end', stopWaiting)
}

interface CommandQueue {
  shift(): { readonly command: { reject(error: Error): void } } | undefined
}

function isCommandQueue(value: unknown): value is CommandQueue {
  return typeof value === 'object' && value !== null && 'shift' in value && typeof value.shift === 'function'
}
