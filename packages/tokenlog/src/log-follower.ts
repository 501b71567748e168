import { type LogEntry, type LogKind, parsePosition, type RedisKeys } from '@inferq/contracts'
import { type Clock, createService, orAborted } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { FollowingState } from './following-state.ts'
import type { Following, FollowOptions, LogFollower, TokenLog } from './token-log.ts'

export interface LogFollowerOptions {
  readonly tokenLog: TokenLog
  /** A connection of its own for the subscription. */
  readonly subscriber: Redis
  /** For the beat that proves the subscription alive. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  /** The id of this process among all that read. */
  readonly watcher: string
  readonly log: { warn(fields: object, event: string): void }
  /** A reader whose log could not be read for this long is given up. Default 30 s. */
  readonly unavailableMs?: number
  readonly beatMs?: number
}

const pageSize = 200
/** Logs read at once when all readers have to catch up. */
const maxReads = 32
const retryMs = 250
/** How long a job may take from the registration of its reader to its log. */
const openingMs = 5_000
/** Without a beat for this many intervals the subscription is taken for dead. */
const beatsMissed = 3
/** Beats after which each reader has read its log again, whatever the subscription says. */
const sweepBeats = 30

/**
 * One subscription for all readers of a process. Redis gives no sign when it drops a message, so:
 * an entry that does not come next makes its reader read the log; a reconnect makes all of them read; a beat, published to
 * our own channel every second, proves that the subscription delivers; and a slow sweep reads every log now and then.
 */
export function createLogFollower(options: LogFollowerOptions): LogFollower {
  const { tokenLog, subscriber, redis, keys, clock, watcher, log, unavailableMs = 30_000, beatMs = 1_000 } = options
  const channel = keys.replies(watcher)
  const followings = new Map<string, Set<FollowingState>>()
  const waiting: FollowingState[] = []
  let reads = 0
  let lastBeatAt = 0
  let beat: NodeJS.Timeout | undefined
  let sweep: Iterator<FollowingState> | undefined
  let stopped = false

  const onMessage = (from: string, message: string): void => {
    // The connection may have other subscriptions: what they bring is no sign that ours lives.
    if (from !== channel) return
    const first = message.indexOf('\n')
    if (first <= 0) {
      lastBeatAt = clock.monotonic()
      return
    }
    const states = followings.get(message.slice(0, first))
    if (states === undefined) return
    const second = message.indexOf('\n', first + 1)
    const position = parsePosition(message.slice(first + 1, second))
    if (position === null) return
    const entry: LogEntry = {
      ...position,
      kind: message[second + 1] as LogKind,
      payload: message.slice(second + 3),
    }
    for (const state of states) onLive(state, entry)
  }

  const onLive = (state: FollowingState, entry: LogEntry): void => {
    if (state.closed || state.paused || state.isOld(entry)) return
    if (state.reading) {
      state.missed = true
    } else if (state.isNext(entry)) {
      state.deliver([entry])
      if (state.closed) remove(state)
    } else {
      requestRead(state)
    }
  }

  const requestRead = (state: FollowingState): void => {
    if (state.reading || state.closed || state.paused || stopped) return
    state.reading = true
    if (reads < maxReads) void read(state)
    else waiting.push(state)
  }

  /** Reads on from the cursor until there is nothing new, one page at a time. */
  const read = async (state: FollowingState): Promise<void> => {
    reads++
    try {
      await catchUp(state)
    } finally {
      state.reading = false
      reads--
      const next = waiting.shift()
      if (next !== undefined) void read(next)
    }
  }

  const catchUp = async (state: FollowingState): Promise<void> => {
    for (;;) {
      if (state.closed || state.paused || stopped) return
      state.missed = false
      let entries: readonly LogEntry[] | null | undefined
      try {
        entries = state.attached
          ? await tokenLog.read(state.jobId, state.cursor, pageSize)
          : await tokenLog.attach(state.jobId, watcher, state.cursor, pageSize)
      } catch {
        entries = undefined
      }
      if (state.closed) return
      if (entries === undefined || (entries === null && isOpening(state))) {
        retryLater(state)
        return
      }
      state.unavailableSince = null
      if (entries === null) {
        lose(state, 'gone')
        return
      }
      state.attached = true
      // The log was lost and is another one now: its entries are not published to us yet.
      const isNew = entries.some(({ kind, attempt }) => kind === 'q' && attempt > 0)
      if (isNew) state.attached = false
      const goOn = state.deliver(entries)
      if (state.closed) remove(state)
      if (!goOn || (entries.length < pageSize && !state.missed && !isNew)) return
    }
  }

  const retryLater = (state: FollowingState): void => {
    state.unavailableSince ??= clock.monotonic()
    if (clock.monotonic() - state.unavailableSince > unavailableMs) lose(state, 'unavailable')
    else setTimeout(() => requestRead(state), retryMs)
  }

  /** Its reader was registered before the job was opened, as it should be: a missing log is no loss yet. */
  const isOpening = (state: FollowingState): boolean =>
    state.options.attached === true && clock.monotonic() - state.followedAt < openingMs

  const lose = (state: FollowingState, why: 'gone' | 'unavailable'): void => {
    if (state.closed) return
    state.closed = true
    remove(state)
    state.options.onLost(why)
  }

  const remove = (state: FollowingState): void => {
    const states = followings.get(state.jobId)
    if (states === undefined) return
    states.delete(state)
    if (states.size === 0) followings.delete(state.jobId)
  }

  /** Redis may have come back without what it held: nothing is known to be published to us. */
  const readAll = (): void => {
    for (const state of all()) {
      state.attached = false
      requestRead(state)
    }
  }

  function* all(): Generator<FollowingState> {
    for (const states of followings.values()) yield* states
  }

  const onReady = (): void => {
    lastBeatAt = clock.monotonic()
    readAll()
  }

  const onBeat = (): void => {
    beat = setTimeout(onBeat, beatMs)
    if (subscriber.status !== 'ready') return
    if (clock.monotonic() - lastBeatAt > beatsMissed * beatMs) {
      log.warn({ watcher }, 'subscription-silent')
      lastBeatAt = clock.monotonic()
      subscriber.disconnect(true)
      return
    }
    redis.publish(channel, '\n').catch((): number => 0)
    let share = Math.ceil(followings.size / sweepBeats)
    while (share-- > 0) {
      sweep ??= all()
      const next = sweep.next()
      if (next.done) sweep = undefined
      else requestRead(next.value)
    }
  }

  const service = createService({
    name: 'log-follower',
    async start() {
      subscriber.on('message', onMessage)
      await subscriber.subscribe(channel)
      // From now on `ready` means a reconnect; ioredis subscribes again before it says so.
      subscriber.on('ready', onReady)
      lastBeatAt = clock.monotonic()
      beat = setTimeout(onBeat, beatMs)
    },
    async stop(deadline) {
      stopped = true
      clearTimeout(beat)
      followings.clear()
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      // A subscriber waits without end for a Redis that says nothing.
      await orAborted(subscriber.unsubscribe(channel), deadline.signal).catch((): number => 0)
    },
  })

  return {
    ...service,
    watcher,
    follow(jobId: string, followOptions: FollowOptions): Following {
      const state = new FollowingState(jobId, followOptions, clock.monotonic())
      const states = followings.get(jobId)
      if (states === undefined) followings.set(jobId, new Set([state]))
      else states.add(state)
      if (!state.attached) requestRead(state)
      return {
        resume() {
          if (!state.paused || state.closed) return
          state.paused = false
          requestRead(state)
        },
        close() {
          state.closed = true
          remove(state)
        },
      }
    },
  }
}
