import type { EmbeddingCaps } from '@inferq/config'
import { type CallPartsOptions, callParts } from './call-parts.ts'
import type { Part } from './member.ts'

/** How long parts wait for others to go with. */
export interface GatherTimes {
  /** While calls are under way, or have just been, in ms. */
  readonly lingerMs: number
  /** At most, while as many calls are under way as may be, in ms: one that hangs must not hold up the others. */
  readonly holdMs: number
}

export interface Traffic {
  /** When a call for several jobs ended last, by `performance.now()`. */
  gatheredAt: number
}

export interface LineOptions extends CallPartsOptions {
  readonly caps: EmbeddingCaps
  readonly times: GatherTimes
  /** Of all lines of a deployment. */
  readonly traffic: Traffic
  /** Nothing waits, and nothing is under way. */
  onIdle(): void
}

/** Calls that differ in nothing but their inputs, waiting to go together. */
export interface Line {
  /** In the order in which they are to go. */
  add(parts: readonly Part[]): void
  /** Sends all that waits, at once. */
  flush(): void
}

/** What was busy so recently still is: a job that comes now is most likely the first of those that the last call has freed. */
const recentMs = 50

export function createLine(options: LineOptions): Line {
  const { caps, times, traffic, onIdle } = options
  let waiting: Part[] = []
  let calls = 0
  /** Since when the oldest waits, or was passed over. */
  let since = 0
  let timer: NodeJS.Timeout | undefined
  let soon: NodeJS.Immediate | undefined

  const disarm = (): void => {
    clearTimeout(timer)
    clearImmediate(soon)
    timer = undefined
    soon = undefined
  }

  const send = (parts: readonly Part[]): void => {
    calls += 1
    void callParts(options, parts).then(() => {
      calls -= 1
      if (parts.length > 1) traffic.gatheredAt = performance.now()
      pump()
    })
  }

  /** The first ones, as many as the caps let into one call, at least one. */
  const takeBatch = (): readonly Part[] => {
    let items = 0
    let tokens = 0
    let count = 0
    for (const part of waiting) {
      items += part.inputs.length
      tokens += part.tokens
      if (count > 0 && (items > caps.maxItems || tokens > caps.maxTokens)) break
      count += 1
    }
    since = performance.now()
    return waiting.splice(0, count)
  }

  const isFull = (): boolean => {
    let items = 0
    let tokens = 0
    return waiting.some((part) => {
      items += part.inputs.length
      tokens += part.tokens
      return items >= caps.maxItems || tokens >= caps.maxTokens
    })
  }

  const waitMs = (): number => {
    if (calls >= caps.maxCalls) return times.holdMs
    const isQuiet = calls === 0 && performance.now() - traffic.gatheredAt > recentMs
    return isQuiet ? 0 : times.lingerMs
  }

  const fire = (): void => {
    disarm()
    send(takeBatch())
    pump()
  }

  const pump = (): void => {
    while (calls < caps.maxCalls && waiting.length > 0 && isFull()) send(takeBatch())
    if (waiting.length === 0) {
      disarm()
      if (calls === 0) onIdle()
      return
    }
    const leftMs = since + waitMs() - performance.now()
    if (leftMs <= 0 && soon !== undefined) return
    disarm()
    // Whatever else comes in this turn goes with it.
    if (leftMs <= 0) soon = setImmediate(fire)
    else timer = setTimeout(fire, leftMs)
  }

  return {
    add(parts) {
      if (waiting.length === 0) since = performance.now()
      for (const part of parts) {
        waiting.push(part)
        part.whenGone(() => {
          waiting = waiting.filter((one) => one !== part)
          pump()
        })
      }
      pump()
    },
    flush() {
      while (waiting.length > 0) send(takeBatch())
      disarm()
    },
  }
}
