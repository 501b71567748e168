import type { OutcomeMessage, RedisKeys } from '@inferq/contracts'
import { backoffMs, type Clock, createService, errorMessage, type Log, type Service } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { parseOutcome } from './parse-outcome.ts'
import { toInfo } from './stream-info.ts'

/** An outcome that can never be recorded, and why. */
export interface RefusedOutcome {
  readonly message: OutcomeMessage
  readonly reason: string
}

export interface OutcomeConsumerOptions {
  /** A connection of its own: it waits in Redis. */
  readonly blocking: Redis
  /** For commands while the other waits. */
  readonly redis: Redis
  readonly keys: RedisKeys
  /** Unique among those alive: what it holds when it dies is taken over by the others. */
  readonly consumer: string
  readonly log: Log
  readonly clock: Clock
  readonly random?: () => number
  /** Messages of one batch, at most. Default 500. */
  readonly batchSize?: number
  /** How long a batch that is not full first waits for more; under load up to fifteen times as long. Default 20 ms. */
  readonly lingerMs?: number
  /** What another consumer holds for this long is taken over. Default 15 s. */
  readonly takeOverAfterMs?: number
  /**
   * Records a batch. Only when it resolves are the messages acknowledged; when it rejects the same batch is offered again,
   * with backoff. Messages may come twice and in any order. Gives those that can never be recorded.
   */
  onBatch(messages: readonly OutcomeMessage[]): Promise<readonly RefusedOutcome[]>
  /** Redis had lost the stream: whatever else it held may be lost too. */
  onStreamLost(): void
}

interface Entry {
  readonly id: string
  readonly text: string | undefined
}

type StreamReply = readonly (readonly [id: string, fields: readonly string[] | null])[]

const group = 'controllers'
const blockMs = 1_000
const housekeepingMs = 5_000
const forgetConsumerAfterMs = 60_000
const refusedKept = 1_000
const maxLingerFactor = 8
const retryBackoff = { firstMs: 50, maxMs: 5_000 }

/** Removes a consumer that holds nothing: with what it held, its messages would be forgotten. */
const forgetConsumer = `
if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
return redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])`

/**
 * Reads the outcome stream as a member of the controllers' group: each message is delivered to one of them, at least
 * once. A message is deleted when it is recorded, so the stream holds exactly what is not.
 */
export function createOutcomeConsumer(options: OutcomeConsumerOptions): Service {
  const { blocking, redis, keys, consumer, log, clock, random = Math.random, onBatch, onStreamLost } = options
  const { batchSize = 500, lingerMs = 20, takeOverAfterMs = 15_000 } = options
  const stream = keys.outcomes()
  const stopping = new AbortController()
  let loop: Promise<void> = Promise.resolve()
  let blockedClient: number | undefined
  let housekeptAt = Number.NEGATIVE_INFINITY

  /** True when there was no group, hence no stream or a new one. */
  const createGroup = async (): Promise<boolean> => {
    try {
      await blocking.xgroup('CREATE', stream, group, '0', 'MKSTREAM')
      return true
    } catch (thrown) {
      if (errorMessage(thrown).startsWith('BUSYGROUP')) return false
      throw thrown
    }
  }

  const readNew = async (count: number, waitMs: number | null): Promise<readonly Entry[]> => {
    if (waitMs === null) {
      const replies = await blocking.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
      return toEntries(replies)
    }
    const identified = blocking.client('ID').then((id) => {
      blockedClient = id
    })
    try {
      const reading = blocking.xreadgroup(
        'GROUP',
        group,
        consumer,
        'COUNT',
        count,
        'BLOCK',
        waitMs,
        'STREAMS',
        stream,
        '>',
      )
      const [replies] = await Promise.all([reading, identified])
      return toEntries(replies)
    } finally {
      blockedClient = undefined
    }
  }

  /** What others have held for too long, and no trace of consumers that are gone. */
  const keepHouse = async (): Promise<readonly Entry[]> => {
    const reply = await blocking.xautoclaim(stream, group, consumer, takeOverAfterMs, '0-0', 'COUNT', batchSize)
    const entries = (reply[1] as StreamReply).map(toEntry)
    if (entries.length > 0) {
      log.warn({ count: entries.length }, 'outcomes-taken-over')
      return entries
    }
    housekeptAt = clock.monotonic()
    for (const info of (await blocking.xinfo('CONSUMERS', stream, group)) as readonly unknown[]) {
      const { name, pending, idle } = toInfo(info)
      if (name === consumer || Number(pending) > 0 || Number(idle) < forgetConsumerAfterMs) continue
      await blocking.eval(forgetConsumer, 1, stream, group, String(name))
    }
    return []
  }

  const nextBatch = async (): Promise<readonly Entry[]> => {
    if (clock.monotonic() - housekeptAt >= Math.min(housekeepingMs, takeOverAfterMs)) {
      const entries = await keepHouse()
      if (entries.length > 0) return entries
    }
    const entries = [...(await readNew(batchSize, blockMs))]
    // A fuller batch is much cheaper for Postgres: as long as more comes, wait on, each time twice as long.
    for (let waitMs = lingerMs; entries.length > 0 && entries.length < batchSize; waitMs *= 2) {
      if (waitMs > lingerMs * maxLingerFactor || stopping.signal.aborted) break
      await clock.sleep(waitMs, stopping.signal).catch((): void => {})
      const more = await readNew(batchSize - entries.length, null)
      if (more.length === 0) break
      entries.push(...more)
    }
    return entries
  }

  const record = async (entries: readonly Entry[]): Promise<void> => {
    const messages: OutcomeMessage[] = []
    const refused: { readonly text: string; readonly reason: string }[] = []
    for (const { id, text = '' } of entries) {
      const message = parseOutcome(text)
      if (message !== null) messages.push(message)
      else {
        log.error({ entry: id }, 'outcome-malformed')
        refused.push({ text, reason: 'malformed' })
      }
    }
    const unrecorded = messages.length === 0 ? [] : await onBatch(messages)
    for (const { message, reason } of unrecorded) refused.push({ text: JSON.stringify(message), reason })
    const pipeline = blocking.pipeline()
    for (const { text, reason } of refused) {
      pipeline.xadd(keys.refusedOutcomes(), 'MAXLEN', '~', refusedKept, '*', 'm', text, 'reason', reason)
    }
    const ids = entries.map(({ id }) => id)
    pipeline.xack(stream, group, ...ids)
    pipeline.xdel(stream, ...ids)
    for (const [failure] of (await pipeline.exec()) ?? []) if (failure) throw failure
  }

  /** Tries until it is recorded, or until stop: then another controller will take it over. */
  const recordSurely = async (entries: readonly Entry[]): Promise<void> => {
    for (let tries = 1; ; tries++) {
      try {
        await record(entries)
        return
      } catch (thrown) {
        log.warn({ count: entries.length, tries, error: errorMessage(thrown) }, 'outcomes-not-recorded')
        if (stopping.signal.aborted) return
        await clock.sleep(backoffMs(retryBackoff, tries, random), stopping.signal).catch((): void => {})
        if (stopping.signal.aborted) return
      }
    }
  }

  const consume = async (): Promise<void> => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      try {
        const entries = await nextBatch()
        failures = 0
        if (entries.length > 0) await recordSurely(entries)
      } catch (thrown) {
        if (stopping.signal.aborted) return
        failures++
        if (errorMessage(thrown).includes('NOGROUP') && (await createGroup().catch(() => false))) {
          log.warn({}, 'outcome-stream-lost')
          onStreamLost()
          continue
        }
        log.warn({ failures, error: errorMessage(thrown) }, 'outcomes-not-read')
        await clock.sleep(backoffMs(retryBackoff, failures, random), stopping.signal).catch((): void => {})
      }
    }
  }

  return createService({
    name: 'outcome-consumer',
    async start() {
      await createGroup()
      loop = consume()
    },
    async stop(deadline) {
      stopping.abort(new Error('stopping'))
      const giveUp = (): void => blocking.disconnect()
      deadline.signal.addEventListener('abort', giveUp, { once: true })
      if (blockedClient !== undefined) await redis.client('UNBLOCK', blockedClient).catch((): number => 0)
      await loop
      deadline.signal.removeEventListener('abort', giveUp)
      await redis.eval(forgetConsumer, 1, stream, group, consumer).catch((): void => {})
    },
  })
}

function toEntries(replies: unknown): readonly Entry[] {
  const [first] = (replies ?? []) as readonly (readonly [string, StreamReply])[]
  return first === undefined ? [] : first[1].map(toEntry)
}

/** The one field is `m`. */
function toEntry([id, fields]: StreamReply[number]): Entry {
  return { id, text: fields?.[1] }
}
