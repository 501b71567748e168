import type { ChoiceDelta, LogKind, ServedPayload } from '@inferq/contracts'
import { backoffMs, type Clock } from '@inferq/runtime'
import type { LogWriter } from './token-log.ts'

export interface LogWriterOptions {
  readonly clock: Clock
  readonly flushIntervalMs: number
  /** How long an append that Redis does not take is tried again, before the writer fails. */
  readonly patienceMs: number
  /** Appends pairs of kind and payload from `seq` on; false when the attempt is fenced. May be called again with the same. */
  append(seq: number, entries: readonly string[]): Promise<boolean>
}

/** Entries (pairs of kind and payload) from `first` on. */
interface Batch {
  readonly first: number
  readonly entries: readonly string[]
}

/** Appends under way at once; beyond it output waits and is coalesced. */
const maxInFlight = 4
const retryBackoff = { firstMs: 50, maxMs: 1_000 }

/**
 * Coalesces output on the leading edge: the first goes at the end of this turn of the event loop, later ones at most every
 * `flushIntervalMs`. Tokens that come slower than that are never delayed.
 * What Redis does not take now (out of memory, a failover) is tried again, in order; new output waits behind it meanwhile.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  const { clock, flushIntervalMs, patienceMs, append } = options
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
  /** Not taken by Redis, in order: nothing may be written before it. */
  let refused: Batch[] = []
  /** Since when, and how often it was tried again; undefined while Redis takes what it is given. */
  let trouble: { readonly since: number; tries: number } | undefined
  /** First seq of the latest batch that is in the log. */
  let written = 0
  let abandoned = false
  let idle: (() => void)[] = []

  const push = (kind: LogKind, payload: string): void => {
    if (isBroken()) return
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

  const isPending = (): boolean => text !== '' || entries.length > 0 || refused.length > 0

  /** In trouble one at a time: what comes later must not be taken where what comes before was not. */
  const mayWrite = (): boolean => inFlight < (trouble === undefined ? maxInFlight : 1)

  const schedule = (): void => {
    if (immediate !== undefined || timer !== undefined || !mayWrite() || isBroken()) return
    if (trouble !== undefined) {
      timer = setTimeout(send, backoffMs(retryBackoff, ++trouble.tries, Math.random))
      return
    }
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
    if (mayWrite()) write(refused.length > 0 ? takeRefused() : takePending())
  }

  const takePending = (): Batch => {
    closeText()
    const batch = { first: seq, entries }
    seq += entries.length / 2
    entries = []
    return batch
  }

  const takeRefused = (): Batch => {
    const batch = { first: refused[0]?.first ?? seq, entries: refused.flatMap((part) => part.entries) }
    refused = []
    return batch
  }

  const write = (batch: Batch): void => {
    inFlight++
    lastFlushAt = clock.monotonic()
    append(batch.first, batch.entries)
      .then(
        (isWritten) => {
          if (isWritten) onWritten(batch)
          else stop(new Error('a newer attempt or an end has fenced this writer'))
        },
        (error: unknown) => onRefused(batch, error),
      )
      .finally(() => {
        inFlight--
        if (isPending()) schedule()
        settle()
      })
  }

  const onWritten = (batch: Batch): void => {
    written = batch.first
    if (refused.length === 0) trouble = undefined
  }

  const onRefused = (batch: Batch, error: unknown): void => {
    refused.push(batch)
    trouble ??= { since: clock.monotonic(), tries: 0 }
    // What came later is in the log already: this can no longer be.
    const hasGap = batch.first < written
    if (hasGap || clock.monotonic() - trouble.since >= patienceMs) stop(error)
  }

  const stop = (reason: unknown): void => {
    fenced.abort(reason)
    text = ''
    entries = []
    refused = []
  }

  const isBroken = (): boolean => abandoned || fenced.signal.aborted

  const isSettled = (): boolean => inFlight === 0 && (!isPending() || isBroken())

  const settle = (): void => {
    if (!isSettled()) return
    const waiting = idle
    idle = []
    for (const resolve of waiting) resolve()
  }

  return {
    text(part) {
      if (part === '' || isBroken()) return
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
      if (isPending() && trouble === undefined && mayWrite()) send()
      if (!isSettled()) await new Promise<void>((resolve) => idle.push(resolve))
      fenced.signal.throwIfAborted()
    },
    abandon() {
      abandoned = true
      clearTimeout(timer)
      timer = undefined
      settle()
    },
    fenced: fenced.signal,
    get shownOutput() {
      return shownOutput
    },
  }
}
