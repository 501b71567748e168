import type { IncomingMessage, ServerResponse } from 'node:http'
import type { LoggedRequest } from './request-log.ts'
import type { SlowBody } from './script.ts'
import type { Ticker, Timed } from './ticker.ts'

// A reader that does not read: beyond this much unsent output the stream waits for it.
const mostUnsentBytes = 1_048_576

/** What the ledger wants to know of a request. */
export interface Caller {
  /** As the request names its user; empty where it does not. */
  readonly user: string
  /** The answer has a place for usage. */
  readonly hasUsage: boolean
}

/** One request with its response: the bytes, whole or dribbling, and whether anybody still wants them. */
export class Exchange {
  readonly bodyText: string
  readonly #response: ServerResponse
  readonly #logged: LoggedRequest
  readonly #ticker: Ticker
  #dribble: Dribble | undefined
  #encoding: BufferEncoding = 'utf8'
  #caller: Caller = { user: '', hasUsage: true }

  constructor(options: {
    bodyText: string
    response: ServerResponse<IncomingMessage>
    logged: LoggedRequest
    ticker: Ticker
  }) {
    this.bodyText = options.bodyText
    this.#response = options.response
    this.#logged = options.logged
    this.#ticker = options.ticker
  }

  /** Notes for the log of requests which model was asked for, and how; for the ledger by whom. */
  describe(model: string, stream: boolean, caller?: Caller): void {
    this.#logged.model = model
    this.#logged.stream = stream
    if (caller !== undefined) this.#caller = caller
  }

  get caller(): Caller {
    return this.#caller
  }

  /** From here on the body trickles out. */
  slowDown(slow: SlowBody): void {
    this.#dribble = new Dribble(this.#response, slow, this.#ticker)
  }

  get headersSent(): boolean {
    return this.#response.headersSent
  }

  /** The whole answer at once. */
  send(status: number, contentType: string, body: string, headers: readonly string[] = [], sent?: () => void): void {
    this.#head(status, ['content-type', contentType, 'content-length', String(Buffer.byteLength(body)), ...headers])
    this.end(body, sent)
  }

  /**
   * The head of a stream; `flush` sends it before there is a body. With the encoding `latin1` each character of what
   * is written stands for a byte, for streams that are no text.
   */
  open(
    contentType: string,
    options: { flush: boolean; encoding?: 'utf8' | 'latin1' | undefined; headers?: readonly string[] | undefined },
  ): void {
    const { flush, encoding = 'utf8', headers = [] } = options
    this.#encoding = encoding
    const common = ['content-type', contentType, 'cache-control', 'no-cache', 'transfer-encoding', 'chunked']
    this.#head(200, [...common, ...headers])
    if (flush) this.#response.flushHeaders()
  }

  /** False when the reader has fallen behind: call `whenDrained` before writing on. */
  write(text: string): boolean {
    if (this.#dribble !== undefined) return this.#dribble.write(Buffer.from(text, this.#encoding))
    this.#response.write(text, this.#encoding)
    return this.#response.writableLength < mostUnsentBytes
  }

  whenDrained(callback: () => void): void {
    if (this.#dribble !== undefined) this.#dribble.whenDrained(callback)
    else this.#response.once('drain', callback)
  }

  /** The last of the body; `sent` is called when all of it has been handed to the socket. */
  end(text: string, sent?: () => void): void {
    if (this.#dribble !== undefined) {
      this.#dribble.end(Buffer.from(text, this.#encoding), sent)
      return
    }
    this.#response.end(text, this.#encoding)
    sent?.()
  }

  /** Destroys the socket after `text` has left; without text before anything is answered. */
  cut(text: string): void {
    const { socket } = this.#response
    if (text === '') socket?.destroy()
    else this.#response.write(text, this.#encoding, () => socket?.destroy())
  }

  /** The head of a whole answer, then only half its bytes, then the socket is destroyed. */
  cutWhole(contentType: string, body: string): void {
    const bytes = Buffer.from(body)
    this.#head(200, ['content-type', contentType, 'content-length', String(bytes.length)])
    const { socket } = this.#response
    this.#response.write(bytes.subarray(0, bytes.length >> 1), () => socket?.destroy())
  }

  /** Calls back once if the connection closes before the answer is complete; at once if it has. */
  onAbort(callback: () => void): void {
    if (this.#response.destroyed) {
      callback()
      return
    }
    this.#response.once('close', () => {
      this.#dribble?.stop()
      if (!this.#response.writableFinished) callback()
    })
  }

  #head(status: number, headers: string[]): void {
    this.#logged.status = status
    headers.push('x-simulated', 'true')
    this.#response.writeHead(status, headers)
  }
}

/** A body that leaves a few bytes at a time, splitting lines and characters as it comes. */
class Dribble implements Timed {
  at = 0
  slot = -1
  readonly #response: ServerResponse
  readonly #slow: SlowBody
  readonly #ticker: Ticker
  #unsent: Buffer = Buffer.alloc(0)
  #ended = false
  #sent: (() => void) | undefined
  #drained: (() => void) | undefined

  constructor(response: ServerResponse, slow: SlowBody, ticker: Ticker) {
    this.#response = response
    this.#slow = slow
    this.#ticker = ticker
  }

  write(bytes: Buffer): boolean {
    this.#unsent = Buffer.concat([this.#unsent, bytes])
    if (this.slot < 0) this.#ticker.schedule(this, performance.now() + this.#slow.everyMs)
    return this.#unsent.length < mostUnsentBytes
  }

  end(bytes: Buffer, sent: (() => void) | undefined): void {
    this.#ended = true
    this.#sent = sent
    this.write(bytes)
  }

  whenDrained(callback: () => void): void {
    this.#drained = callback
  }

  stop(): void {
    this.#ticker.cancel(this)
  }

  due(): void {
    this.#response.write(this.#unsent.subarray(0, this.#slow.bytes))
    this.#unsent = this.#unsent.subarray(this.#slow.bytes)
    if (this.#unsent.length > 0) {
      this.#ticker.schedule(this, this.at + this.#slow.everyMs)
      return
    }
    if (this.#ended) {
      this.#response.end()
      this.#sent?.()
    }
    const drained = this.#drained
    this.#drained = undefined
    drained?.()
  }
}
