import type { JobSpec, RedisKeys } from '@inferq/contracts'
import { createService, type Log, type Service } from '@inferq/runtime'
import type { Redis } from 'ioredis'

/** A job that was started at this worker, without having waited in line. */
export interface Start {
  readonly jobId: string
  /** Undefined: too long for a message; it is in the job's record. */
  readonly spec: JobSpec | undefined
  /** Where it stood in the class's virtual time. */
  readonly at: number
}

/** What the worker is told beside the specification. */
export interface StartHead {
  readonly class: string
  readonly jobId: string
  readonly at: number
}

export interface StartListener {
  onStart(start: Start): void
  /** Starts may have been missed. */
  onGap(): void
}

/** Hears of the jobs that are started at this worker, for all its classes. */
export interface Starts extends Service {
  /** One listener a class, until the function it gives is called. */
  listen(modelClass: string, listener: StartListener): () => void
  /** Resolves when everything that was sent before has been heard. Never rejects. */
  settled(): Promise<void>
}

export interface StartsOptions {
  readonly workerId: string
  /** May have other subscriptions too. */
  readonly subscriber: Redis
  readonly keys: RedisKeys
  readonly log: Log
}

export function createStarts({ workerId, subscriber, keys, log }: StartsOptions): Starts {
  const channel = keys.starts(workerId)
  const listeners = new Map<string, StartListener>()

  const onMessage = (from: string, text: string): void => {
    if (from !== channel) return
    const { class: modelClass, ...start } = readStart(text)
    const listener = listeners.get(modelClass)
    // Its lease runs out, and it goes into the queue.
    if (listener === undefined) log.warn({ class: modelClass, jobId: start.jobId }, 'start-of-unknown-class')
    else listener.onStart(start)
  }
  const onReady = (): void => {
    for (const listener of listeners.values()) listener.onGap()
  }

  const service = createService({
    name: 'starts',
    async start() {
      subscriber.on('message', onMessage)
      await subscriber.subscribe(channel)
      subscriber.on('ready', onReady)
    },
    async stop() {
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      await subscriber.unsubscribe(channel).catch((): number => 0)
    },
  })

  return {
    ...service,
    listen(modelClass, listener) {
      listeners.set(modelClass, listener)
      return () => void listeners.delete(modelClass)
    },
    async settled() {
      // Answered on the same connection, in turn.
      await subscriber.ping().catch((): string => '')
    },
  }
}

/** A line of JSON, and the specification's JSON as it stands in the record, or nothing. */
function readStart(text: string): StartHead & Start {
  const end = text.indexOf('\n')
  const head = JSON.parse(text.slice(0, end)) as StartHead
  return { ...head, spec: end + 1 === text.length ? undefined : (JSON.parse(text.slice(end + 1)) as JobSpec) }
}
