import type { ChoiceDelta, LogKind, ProgressPayload, ServedPayload } from '@inferq/contracts'
import { backoffMs, type Clock } from '@inferq/runtime'
import { type Batch, PendingOutput } from './pending-output.ts'
import type { LogWriter } from './token-log.ts'

export interface LogWriterOptions {
  readonly clock: Clock
  readonly flushIntervalMs: number
  /** How long an append that Redis does not take is tried again, before the writer fails. */
  readonly patienceMs: number
  /** Appends pairs of kind and payload from `seq` on; false when the attempt is fenced. May be called again with the same. */
  append(seq: number, entries: readonly string[]): Promise<boolean>
}

/** Appends under way at once; beyond it output waits and is coalesced. */
const maxInFlight = 4
const retryBackoff = { firstMs: 50, maxMs: 1_000 }

/**
 * Coalesces output on the leading edge: the first goes when the callback that brought it is through, later ones at most every
 * `flushIntervalMs`. Tokens that come slower than that are never delayed.
 * What Redis does not take now (out of memory, a failover) is tried again, in order; new output waits behind it meanwhile.
 */
export function createLogWriter(options: LogWriterOptions): LogWriter {
  return new AppendingWriter(options)
}

/** A class, since each job has one: as closures its functions were a good part of what a short job allocates. */
class AppendingWriter implements LogWriter {
  shownOutput = false
  fencedBy: unknown = undefined
  readonly #options: LogWriterOptions
  #onFenced: ((reason: unknown) => void) | undefined
  readonly #output = new PendingOutput()
  #inFlight = 0
  #lastFlushAt = Number.NEGATIVE_INFINITY
  #isDue = false
  #timer: NodeJS.Timeout | undefined
  /** Not taken by Redis, in order: nothing may be written before it. */
  #refused: Batch[] = []
  /** Since when, and how often it was tried again; undefined while Redis takes what it is given. */
  #trouble: { readonly since: number; tries: number } | undefined
  /** First seq of the latest batch that is in the log. */
  #written = 0
  #abandoned = false
  #idle: (() => void)[] = []

  constructor(options: LogWriterOptions) {
    this.#options = options
  }

  text(part: string): void {
    if (part === '' || this.#isBroken()) return
    this.shownOutput = true
    this.#output.text(part)
    this.#schedule()
  }

  deltas(deltas: readonly ChoiceDelta[]): void {
    this.shownOutput = true
    this.#output.show()
    this.#push('d', JSON.stringify(deltas))
  }

  serve(served: ServedPayload): void {
    this.#output.served = served
  }

  reset(): void {
    this.#push('x', '')
  }

  progress(progress: ProgressPayload): void {
    this.#push('p', JSON.stringify(progress))
  }

  async flush(): Promise<void> {
    if (this.#isPending() && this.#trouble === undefined && this.#mayWrite()) this.#send()
    if (!this.#isSettled()) await new Promise<void>((resolve) => this.#idle.push(resolve))
    if (this.fencedBy !== undefined) throw this.fencedBy
  }

  get isFlushed(): boolean {
    return this.fencedBy === undefined && this.#isSettled()
  }

  onFenced(listener: (reason: unknown) => void): void {
    this.#onFenced = listener
    if (this.fencedBy !== undefined) listener(this.fencedBy)
  }

  abandon(): void {
    this.#abandoned = true
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#settle()
  }

  #push(kind: LogKind, payload: string): void {
    if (this.#isBroken()) return
    this.#output.push(kind, payload)
    this.#schedule()
  }

  #isPending(): boolean {
    return this.#output.isPending || this.#refused.length > 0
  }

  /** In trouble one at a time: what comes later must not be taken where what comes before was not. */
  #mayWrite(): boolean {
    return this.#inFlight < (this.#trouble === undefined ? maxInFlight : 1)
  }

  #schedule(): void {
    if (this.#isDue || this.#timer !== undefined || !this.#mayWrite() || this.#isBroken()) return
    if (this.#trouble !== undefined) {
      this.#sendAfter(backoffMs(retryBackoff, ++this.#trouble.tries, Math.random))
      return
    }
    const { clock, flushIntervalMs } = this.#options
    const waitMs = this.#lastFlushAt + flushIntervalMs - clock.monotonic()
    if (waitMs > 0) {
      this.#sendAfter(waitMs)
      return
    }
    // Not setImmediate: the connection gathers its writes until then, and this one would miss that by a turn.
    this.#isDue = true
    process.nextTick(AppendingWriter.#sendIfDue, this)
  }

  #sendAfter(ms: number): void {
    this.#timer = setTimeout(() => this.#send(), ms)
  }

  static readonly #sendIfDue = (writer: AppendingWriter): void => {
    if (writer.#isDue) writer.#send()
  }

  #send(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#isDue = false
    if (!this.#isPending() || this.#isBroken()) {
      this.#settle()
      return
    }
    if (this.#mayWrite()) void this.#write(this.#refused.length > 0 ? this.#takeRefused() : this.#output.take())
  }

  #takeRefused(): Batch {
    const first = this.#refused[0]?.first ?? 0
    const batch = { first, entries: this.#refused.flatMap((part) => part.entries) }
    this.#refused = []
    return batch
  }

  async #write(batch: Batch): Promise<void> {
    this.#inFlight++
    this.#lastFlushAt = this.#options.clock.monotonic()
    try {
      if (await this.#options.append(batch.first, batch.entries)) this.#onWritten(batch)
      else this.#stop(new Error('a newer attempt or an end has fenced this writer'))
    } catch (error) {
      this.#onRefused(batch, error)
    }
    this.#inFlight--
    if (this.#isPending()) this.#schedule()
    this.#settle()
  }

  #onWritten(batch: Batch): void {
    this.#written = batch.first
    if (this.#refused.length === 0) this.#trouble = undefined
  }

  #onRefused(batch: Batch, error: unknown): void {
    const now = this.#options.clock.monotonic()
    this.#refused.push(batch)
    this.#trouble ??= { since: now, tries: 0 }
    // What came later is in the log already: this can no longer be.
    const hasGap = batch.first < this.#written
    if (hasGap || now - this.#trouble.since >= this.#options.patienceMs) this.#stop(error)
  }

  #stop(reason: unknown): void {
    this.#output.clear()
    this.#refused = []
    if (this.fencedBy !== undefined) return
    this.fencedBy = reason
    this.#onFenced?.(reason)
  }

  #isBroken(): boolean {
    return this.#abandoned || this.fencedBy !== undefined
  }

  #isSettled(): boolean {
    return this.#inFlight === 0 && (!this.#isPending() || this.#isBroken())
  }

  #settle(): void {
    if (this.#idle.length === 0 || !this.#isSettled()) return
    const waiting = this.#idle
    this.#idle = []
    for (const resolve of waiting) resolve()
  }
}
