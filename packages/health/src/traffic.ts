import type { DeploymentStats } from '@inferq/routing'

/**
 * The calls of this process, by deployment. Holds only those called within the last minutes or in flight.
 * Times are of the shared clock (ms).
 */
export interface Traffic {
  started(id: string, now: number): void
  ended(id: string, now: number): void
  firstToken(id: string, latencyMs: number): void
  tokens(id: string, count: number, now: number): void
  get(id: string): OwnStats | undefined
  entries(): Iterable<readonly [string, OwnStats]>
  /** Forgets what has been quiet for a while. */
  prune(now: number): void
}

export interface OwnStats extends DeploymentStats {
  /** The minute since the epoch that `requests` and `tokens` are of. */
  readonly minute: number
  /** Calls behind `latencyMs`, of the running minute and the one before: what it weighs among other processes'. */
  readonly weight: number
}

/** Of the newest call in the moving average: about the last ten count. */
const newestShare = 0.2
/** After so long without a call nothing is known of a deployment any more. */
const quietMs = 180_000

interface State {
  inFlight: number
  latencyMs: number | undefined
  minute: number
  requests: number
  tokens: number
  requestsBefore: number
  lastAt: number
}

export function createTraffic(): Traffic {
  const states = new Map<string, State>()

  const touch = (id: string, now: number): State => {
    let state = states.get(id)
    const minute = minuteOf(now)
    if (state === undefined) {
      state = { inFlight: 0, latencyMs: undefined, minute, requests: 0, tokens: 0, requestsBefore: 0, lastAt: now }
      states.set(id, state)
    }
    turn(state, minute)
    state.lastAt = now
    return state
  }

  return {
    started(id, now) {
      const state = touch(id, now)
      state.inFlight++
      state.requests++
    },
    ended(id, now) {
      touch(id, now).inFlight--
    },
    firstToken(id, latencyMs) {
      const state = states.get(id)
      if (state === undefined) return
      const { latencyMs: before } = state
      state.latencyMs = before === undefined ? latencyMs : before + (latencyMs - before) * newestShare
    },
    tokens(id, count, now) {
      touch(id, now).tokens += count
    },
    get(id) {
      const state = states.get(id)
      return state && toStats(state)
    },
    *entries() {
      for (const [id, state] of states) yield [id, toStats(state)] as const
    },
    prune(now) {
      for (const [id, state] of states) {
        if (state.inFlight === 0 && now - state.lastAt > quietMs) states.delete(id)
        else turn(state, minuteOf(now))
      }
    },
  }
}

export function minuteOf(nowMs: number): number {
  return Math.floor(nowMs / 60_000)
}

function turn(state: State, minute: number): void {
  if (state.minute === minute) return
  state.requestsBefore = minute === state.minute + 1 ? state.requests : 0
  state.minute = minute
  state.requests = 0
  state.tokens = 0
}

function toStats({ inFlight, latencyMs, minute, requests, tokens, requestsBefore }: State): OwnStats {
  return { inFlight, latencyMs, minute, requests, tokens, weight: Math.max(1, requests + requestsBefore) }
}
