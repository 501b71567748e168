import { Redis, type RedisOptions } from 'ioredis'
import { backoffMs } from '../backoff.ts'
import { type Clock, createSystemClock } from '../clock.ts'
import { orAborted, withDeadline } from '../deadline.ts'
import { errorMessage, RuntimeError } from '../errors.ts'
import { createSilentLog, type Log } from '../log.ts'
import { corkWrites } from './cork-writes.ts'
import { rejectPendingCommands, rejectPendingUnlessBack } from './pending-commands.ts'
import { parseRedisUrl } from './redis-url.ts'

/**
 * What a connection is for:
 * - `command`: requests and replies. Without a Redis, commands fail at once instead of waiting in a queue, so the
 *   caller can answer 503; a connection on which no reply comes for `replyTimeoutMs` is dropped, and what was under way
 *   is sent again if a new one is there within 2 s, else fails.
 * - `blocking`: waits in Redis, or for it: commands wait for the Redis to come back, without end. Its duplicates (BullMQ
 *   makes one of a worker's connection, to wait on) are blocking ones too, whatever `replyTimeoutMs` it has itself.
 * - `subscriber`: pub/sub. As blocking; channels are subscribed again by themselves, and a dead peer is found by pings.
 */
export type RedisRole = 'command' | 'blocking' | 'subscriber'

export interface CreateRedisOptions {
  /** See parseRedisUrl. */
  readonly url: string
  readonly role: RedisRole
  readonly log: Log
  readonly clock?: Clock
  /** Shown by CLIENT LIST, e.g. `inferq-ingress`. */
  readonly name?: string
  /**
   * How long Redis may be silent while replies are due before the connection is made anew. Default: 5 s for commands;
   * 20 s for blocking ones, which have to wait in Redis for less.
   */
  readonly replyTimeoutMs?: number
  /** One timer per command: the command's promise rejects after this long. Costs; default none. */
  readonly commandTimeoutMs?: number
  /** Gather the writes of a turn. Default: for role command. */
  readonly cork?: boolean
  /** Anything of ioredis, over what the role sets. */
  readonly overrides?: Omit<RedisOptions, 'replyMapping'>
}

const connectTimeoutMs = 5_000
const reconnect = { firstMs: 50, maxMs: 1_000 }
/** A subscriber is mostly due nothing; it has its pings. */
const defaultReplyTimeoutMs: Readonly<Record<RedisRole, number | undefined>> = {
  command: 5_000,
  blocking: 20_000,
  subscriber: undefined,
}
/** From the open socket to the end of HELLO, AUTH, INFO. */
const handshakeTimeoutMs = 5_000
const reconnectGraceMs = 2_000
const quietLogMs = 10_000
const pingIntervalMs = 5_000
/** Least time between two reconnects for the sake of a server that became a replica. */
const leaveReplicaMs = 1_000

/**
 * Opens a connection, in the background, and keeps it: it reconnects for ever, with backoff, and where its server has become
 * a replica (then the address may lead to another by now). Close it with closeRedis.
 */
export function createRedis(options: CreateRedisOptions): Redis {
  const { role, log, clock = createSystemClock(), name, commandTimeoutMs } = options
  const replyTimeoutMs = options.replyTimeoutMs ?? defaultReplyTimeoutMs[role]
  const { tls, ...address } = parseRedisUrl(options.url)
  const redisOptions: RedisOptions = {
    ...address,
    ...(tls ? { tls: {} } : {}),
    ...(name === undefined ? {} : { connectionName: `${name}-${role}` }),
    ...(commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs }),
    connectTimeout: connectTimeoutMs,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => backoffMs(reconnect, attempt, Math.random),
    enableOfflineQueue: role !== 'command',
    reconnectOnError: leaveReplica(clock),
    ...(replyTimeoutMs === undefined ? {} : { socketTimeout: replyTimeoutMs }),
    ...options.overrides,
  }
  const redis = new Redis({ ...redisOptions, replyMapping: 'legacy' })
  redis.duplicate = (overrides) => duplicateOf(options, overrides)
  boundHandshake(redis, clock)
  logConnection(redis, log, clock, `${name ?? 'redis'}-${role}`)
  if (role === 'command') rejectPendingUnlessBack(redis, clock, reconnectGraceMs)
  if (options.cork ?? role === 'command') corkWrites(redis)
  if (role === 'subscriber') pingWhileOpen(redis, clock)
  return redis
}

/** Resolves when the connection works. Throws `redis_unreachable`, with what stood in the way, after `timeoutMs`. */
export async function whenRedisReady(
  redis: Redis,
  options: { readonly timeoutMs: number; readonly clock?: Clock; readonly signal?: AbortSignal },
): Promise<void> {
  const { timeoutMs, clock = createSystemClock(), signal } = options
  if (redis.status === 'ready') return
  let lastError: unknown
  const ready = Promise.withResolvers<void>()
  const onError = (error: unknown): void => {
    lastError = error
  }
  redis.once('ready', ready.resolve)
  redis.on('error', onError)
  try {
    await withDeadline(clock, { timeoutMs, what: 'connecting to Redis', parent: signal }, (deadline) =>
      orAborted(ready.promise, deadline.signal),
    )
  } catch (thrown) {
    const cause = lastError ?? thrown
    throw new RuntimeError('redis_unreachable', `no connection to Redis: ${errorMessage(cause)}`, { cause })
  } finally {
    redis.off('ready', ready.resolve)
    redis.off('error', onError)
  }
}

/** Lets what was sent finish, then closes; after `timeoutMs` closes regardless. Never rejects. */
export async function closeRedis(
  redis: Redis,
  options: { readonly timeoutMs?: number; readonly clock?: Clock } = {},
): Promise<void> {
  const { timeoutMs = 1_000, clock = createSystemClock() } = options
  if (redis.status === 'end') return
  const ended = new Promise<void>((resolve) => redis.once('end', resolve))
  if (redis.status === 'ready') {
    await withDeadline(clock, { timeoutMs, what: 'closing Redis' }, () => redis.quit()).catch((): void => {})
  }
  if (hasEnded(redis)) return
  const wasBetweenConnections = redis.status === 'reconnecting'
  redis.disconnect()
  // It has had its time: a peer that went without a word would never answer the polite end either.
  const { stream } = redis as unknown as { readonly stream?: { destroy(): void } }
  stream?.destroy()
  rejectPendingCommands(redis, new Error('the connection to Redis is closed'))
  // ioredis says nothing more when it is closed while it waits to reconnect; nothing of it is left then.
  if (wasBetweenConnections) return
  await withDeadline(clock, { timeoutMs: 1_000, what: 'closing Redis' }, () => ended).catch((): void => {})
}

/** Whoever asks for it (BullMQ) reports its errors. */
function duplicateOf(options: CreateRedisOptions, overrides: Partial<RedisOptions> = {}): Redis {
  const { replyTimeoutMs: _of, commandTimeoutMs: _too, cork: _also, ...same } = options
  const { replyMapping: _mapping, ...rest } = overrides
  return createRedis({ ...same, role: 'blocking', log: createSilentLog(), overrides: { ...same.overrides, ...rest } })
}

function leaveReplica(clock: Clock): (error: Error) => boolean {
  let leftAt = Number.NEGATIVE_INFINITY
  return (error) => {
    if (!error.message.startsWith('READONLY') || clock.monotonic() - leftAt < leaveReplicaMs) return false
    leftAt = clock.monotonic()
    return true
  }
}

function hasEnded(redis: Redis): boolean {
  return redis.status === 'end'
}

/** Logs the loss of the connection once, then at most every ten seconds while it lasts, and its return. */
function logConnection(redis: Redis, log: Log, clock: Clock, connection: string): void {
  let lostAt: number | undefined
  let loggedAt = Number.NEGATIVE_INFINITY
  let unlogged = 0
  redis.on('error', (error: unknown) => {
    const now = clock.monotonic()
    lostAt ??= now
    if (now - loggedAt < quietLogMs) {
      unlogged++
      return
    }
    log.warn({ connection, error: errorMessage(error), more: unlogged }, 'redis-error')
    loggedAt = now
    unlogged = 0
  })
  redis.on('ready', () => {
    if (lostAt !== undefined) log.info({ connection, ms: Math.round(clock.monotonic() - lostAt) }, 'redis-back')
    lostAt = undefined
    loggedAt = Number.NEGATIVE_INFINITY
    unlogged = 0
  })
}

/** A peer that takes connections but does not answer must not hold one for ever: ioredis bounds only the connect. */
function boundHandshake(redis: Redis, clock: Clock): void {
  let cancel = (): void => {}
  redis.on('connect', () => {
    cancel()
    cancel = clock.after(handshakeTimeoutMs, () => {
      if (redis.status === 'connect') redis.disconnect(true)
    })
  })
  for (const event of ['ready', 'close', 'end']) redis.on(event, () => cancel())
}

/** A subscriber is only spoken to: without pings it would not notice a peer that is gone without a word. */
function pingWhileOpen(redis: Redis, clock: Clock): void {
  let cancel = (): void => {}
  const schedule = (): void => {
    cancel()
    cancel = clock.after(pingIntervalMs, ping)
  }
  const ping = (): void => {
    if (redis.status !== 'ready') return
    withDeadline(clock, { timeoutMs: pingIntervalMs, what: 'PING' }, () => redis.ping()).then(schedule, () => {
      if (redis.status === 'ready') redis.disconnect(true)
    })
  }
  redis.on('ready', schedule)
  redis.on('close', () => cancel())
  redis.on('end', () => cancel())
}
