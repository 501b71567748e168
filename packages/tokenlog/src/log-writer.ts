import type { ChoiceDelta, LogKind, ServedPayload } from '@inferq/contracts'
import type { Clock } from '@inferq/runtime'
import type { LogWriter } from './token-log.ts'

export interface LogWriterOptions {
  readonly clock: Clock
  readonly flushIntervalMs: number
  /** Appends pairs of kind and payload from `seq` on; false when the attempt is fenced. */
  append(seq: number, entries: readonly string[]): Promise<boolean>
}

/** Appends under way at once; beyond it output waits and is coalesced. */
const maxInFlight = 4

/**
 * Coalesces output on the leading edge: the first goes at the end of this turn of the event loop, later ones at most every
 * `flushIntervalMs`. Tokens that come slower than that are never delayed.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  const { clock, flushIntervalMs, append } = options
  const fenced = new AbortController()
  // 0 is the attempt's start.
  let seq = 1
  let served: ServedPayload | undefined
  let shownOutput = false
  let text = ''
  let entries: string[] = []
  let inFlight = 0
  let lastFlushAt = Number.NEGATIVE_INFINITY
  let immediate: NodeJS.Immediate | undefined
  let timer: NodeJS.Timeout | undefined
  let failure: unknown
  let idle: (() => void)[] = []

  const push = (kind: LogKind, payload: string): void => {
    closeText()
    entries.push(kind, payload)
    schedule()
  }

  const show = (): void => {
    shownOutput = true
    if (served === undefined) return
    closeText()
    entries.push('m', JSON.stringify(served))
    served = undefined
  }

  const closeText = (): void => {
    if (text === '') return
    entries.push('t', text)
    text = ''
  }

  const isPending = (): boolean => text !== '' || entries.length > 0

  const schedule = (): void => {
    if (immediate !== undefined || timer !== undefined || inFlight >= maxInFlight) return
    const waitMs = lastFlushAt + flushIntervalMs - clock.monotonic()
    if (waitMs <= 0) immediate = setImmediate(send)
    else timer = setTimeout(send, waitMs)
  }

  const send = (): void => {
    clearImmediate(immediate)
    clearTimeout(timer)
    immediate = undefined
    timer = undefined
    if (!isPending() || isBroken()) {
      settle()
      return
    }
    closeText()
    const batch = entries
    entries = []
    const first = seq
    seq += batch.length / 2
    inFlight++
    lastFlushAt = clock.monotonic()
    append(first, batch)
      .then(
        (written) => {
          if (!written) fenced.abort(new Error('a newer attempt or an end has fenced this writer'))
        },
        (error: unknown) => {
          failure ??= error
        },
      )
      .finally(() => {
        inFlight--
        if (isPending() && !isBroken()) schedule()
        settle()
      })
  }

  const isBroken = (): boolean => failure !== undefined || fenced.signal.aborted

  const isSettled = (): boolean => inFlight === 0 && (!isPending() || isBroken())

  const settle = (): void => {
    if (!isSettled()) return
    const waiting = idle
    idle = []
    for (const resolve of waiting) resolve()
  }

  return {
    text(part) {
      if (part === '') return
      show()
      text += part
      schedule()
    },
    deltas(deltas: readonly ChoiceDelta[]) {
      show()
      push('d', JSON.stringify(deltas))
    },
    serve(payload) {
      served = payload
    },
    reset() {
      push('x', '')
    },
    progress(progress) {
      push('p', JSON.stringify(progress))
    },
    async flush() {
      if (isPending() && inFlight < maxInFlight) send()
      if (!isSettled()) await new Promise<void>((resolve) => idle.push(resolve))
      if (failure !== undefined) throw failure
      fenced.signal.throwIfAborted()
    },
    fenced: fenced.signal,
    get shownOutput() {
      return shownOutput
    },
  }
}
