import type { ServerResponse } from 'node:http'
import type { Clock } from '@inferq/runtime'

/** Headers of every event stream: nothing on the way may keep, change, compress or gather it. */
export const sseHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
}

export const retryField = 'retry: 1000\n\n'
export const heartbeatComment = ': heartbeat\n\n'

/** A comment line; the text must not hold line breaks. */
export function comment(text: string): string {
  return `: ${text}\n\n`
}

export interface SseListener {
  /** The client has caught up after `write` said false. */
  onDrain(): void
}

/**
 * Writes events to one client and minds its pace: after a `write` that answers false the caller holds back until
 * `onDrain`. What is buffered for a client is bounded by the socket's own mark plus one write.
 */
export class SseWriter {
  readonly #raw: ServerResponse
  readonly #clock: Clock
  readonly #slowClientMs: number
  readonly #listener: SseListener
  #cancelCutOff: (() => void) | undefined
  #watchesClose = false

  /** @param slowClientMs a client that takes nothing for this long is cut off */
  constructor(raw: ServerResponse, pace: { clock: Clock; slowClientMs: number }, listener: SseListener) {
    this.#raw = raw
    this.#clock = pace.clock
    this.#slowClientMs = pace.slowClientMs
    this.#listener = listener
  }

  get open(): boolean {
    return !this.#raw.destroyed && !this.#raw.writableEnded
  }

  /** What waits here to be sent. */
  get bufferedBytes(): number {
    return this.#raw.writableLength
  }

  get slow(): boolean {
    return this.#cancelCutOff !== undefined
  }

  onClose(run: () => void): void {
    this.#raw.once('close', run)
  }

  /** The status line and headers; they leave together with the first write. */
  start(headers: Readonly<Record<string, string | number>>): void {
    this.#raw.writeHead(200, headers)
  }

  /** False: hold back until `onDrain`. */
  write(text: string): boolean {
    if (!this.open) return false
    if (this.#raw.write(text)) return true
    this.#holdBack()
    return false
  }

  /** A comment for a client that waits anyway; left out while it is slow. */
  writeComment(text: string): void {
    if (!this.slow) this.write(text)
  }

  end(text = ''): void {
    if (!this.open) return
    this.#raw.end(text)
    // What is left to send has as long as a slow client has.
    if (!this.#raw.writableFinished && this.#raw.writableLength > 0) this.#cutOffLater()
  }

  #holdBack(): void {
    if (this.slow) return
    this.#cutOffLater()
    this.#raw.once('drain', () => {
      this.#cancelCutOff?.()
      this.#cancelCutOff = undefined
      if (this.open) this.#listener.onDrain()
    })
  }

  #cutOffLater(): void {
    this.#cancelCutOff?.()
    this.#cancelCutOff = this.#clock.after(this.#slowClientMs, () => this.#raw.destroy())
    if (this.#watchesClose) return
    this.#watchesClose = true
    this.#raw.once('close', () => this.#cancelCutOff?.())
  }
}
