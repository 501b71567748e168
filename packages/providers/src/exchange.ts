import { InferqError } from '@inferq/contracts'
import { type Dispatcher, errors } from 'undici'
import { parseFailure, toError } from './failure.ts'
import { malformed } from './json.ts'
import { parseRetryAfter } from './retry-after.ts'

const maxErrorBytes = 64 * 1024
// A stream said it is over; the connection is worth this long a wait for its last bytes, to be used again.
const trailingMs = 1_000

/** Takes the bytes of a good answer. What `push` and `end` throw ends the call, and the call rejects with it. */
export interface AnswerReader {
  push(bytes: Buffer): void
  /** No more will come. Throws when something is missing. */
  end(): void
  /** Things read so far that show the upstream is at work; comments of a stream do not. */
  readonly progress: number
  /**
   * `waiting` before the first token; then `reading`; `whole` when nothing the client needs is missing, though more may come
   * (usage); `done` when the stream has said so itself.
   */
  readonly state: 'waiting' | 'reading' | 'whole' | 'done'
}

export interface ExchangeLimits {
  /** From the start to `reading`. */
  readonly firstMs: number
  /** Between two steps of progress from there on. */
  readonly idleMs: number
  /** From the start to the end, looked at with every step of progress. Absent: as long as there is progress. */
  readonly totalMs?: number
  readonly maxBytes: number
  readonly secrets: readonly string[]
}

/**
 * One request and its answer, settled exactly once:
 *
 *   start → (head) → waiting → reading → whole → done → end: resolved
 *     │                 │         │        └──────┴─ cut or silent: resolved, the connection destroyed
 *     └── aborted, timed out, refused, cut, malformed, too large: rejected, the connection destroyed
 *
 * A status that is not 2xx: the body is read, bounded, and becomes the error.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #reader: AnswerReader
  readonly #limits: ExchangeLimits
  readonly #signal: AbortSignal
  readonly #resolve: () => void
  readonly #reject: (reason: unknown) => void
  readonly #startedAt = performance.now()
  readonly #onAbort = (): void => this.#fail(this.#signal.reason)
  #controller: Dispatcher.DispatchController | undefined
  #timer: NodeJS.Timeout
  #settled = false
  #status = 0
  #headers: Readonly<Record<string, string | string[] | undefined>> = {}
  #bytes = 0
  #refusal: Buffer[] | undefined
  #idle = false

  constructor(
    reader: AnswerReader,
    limits: ExchangeLimits,
    signal: AbortSignal,
    resolve: () => void,
    reject: (reason: unknown) => void,
  ) {
    this.#reader = reader
    this.#limits = limits
    this.#signal = signal
    this.#resolve = resolve
    this.#reject = reject
    this.#timer = setTimeout(() => this.#timedOut(limits.firstMs), limits.firstMs)
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection.
    if (this.#settled) this.#disconnect()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return
    this.#status = status
    this.#headers = headers
    if (status >= 300) {
      this.#refusal = []
      this.#awaitProgress(this.#limits.idleMs)
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#settled) return
    this.#bytes += bytes.length
    if (this.#refusal !== undefined) {
      this.#refusal.push(bytes)
      if (this.#bytes > maxErrorBytes) this.#fail(this.#refusalError())
      return
    }
    if (this.#bytes > this.#limits.maxBytes) {
      this.#failUnlessWhole(tooLarge(`The upstream's answer is longer than ${this.#limits.maxBytes} bytes.`))
      return
    }
    const before = this.#reader.progress
    try {
      this.#reader.push(bytes)
    } catch (error) {
      this.#failUnlessWhole(error)
      return
    }
    if (this.#reader.progress !== before) this.#onProgress()
  }

  onResponseEnd(): void {
    if (this.#settled) return
    if (this.#refusal !== undefined) {
      this.#fail(this.#refusalError())
      return
    }
    try {
      this.#reader.end()
    } catch (error) {
      this.#failUnlessWhole(error)
      return
    }
    this.#settle()
    this.#resolve()
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#settled) return
    if (this.#refusal !== undefined) this.#fail(this.#refusalError())
    else if (this.#hasAll()) this.#finishEarly()
    else this.#fail(transportError(cause, this.#status !== 0))
  }

  #onProgress(): void {
    const { state } = this.#reader
    if (state === 'waiting') return
    const { totalMs } = this.#limits
    if (totalMs !== undefined && performance.now() - this.#startedAt > totalMs) {
      this.#fail(tookTooLong(totalMs))
      return
    }
    if (state === 'done') this.#awaitProgress(trailingMs)
    else if (this.#idle) this.#timer.refresh()
    else this.#awaitProgress(this.#limits.idleMs)
  }

  #awaitProgress(ms: number): void {
    clearTimeout(this.#timer)
    this.#idle = true
    this.#timer = setTimeout(() => this.#timedOut(ms), ms)
  }

  #timedOut(ms: number): void {
    if (this.#refusal !== undefined) this.#fail(this.#refusalError())
    else if (this.#hasAll()) this.#finishEarly()
    else this.#fail(timeoutError(this.#idle, ms))
  }

  #hasAll(): boolean {
    return this.#reader.state === 'whole' || this.#reader.state === 'done'
  }

  /** Garbage after an answer that has all is no reason to throw the answer away; an error the upstream speaks of is. */
  #failUnlessWhole(thrown: unknown): void {
    const isGarbage =
      thrown instanceof InferqError && (thrown.code === 'upstream_malformed' || thrown.code === 'output_too_large')
    if (isGarbage && this.#hasAll()) this.#finishEarly()
    else this.#fail(thrown)
  }

  #finishEarly(): void {
    this.#settle()
    this.#disconnect()
    this.#resolve()
  }

  #fail(reason: unknown): void {
    if (this.#settled) return
    this.#settle()
    this.#disconnect()
    this.#reject(reason)
  }

  #settle(): void {
    this.#settled = true
    clearTimeout(this.#timer)
    this.#signal.removeEventListener('abort', this.#onAbort)
  }

  #disconnect(): void {
    this.#controller?.abort(new Error('The call has ended.'))
  }

  #refusalError(): InferqError {
    const text = Buffer.concat(this.#refusal ?? []).toString('utf8', 0, maxErrorBytes)
    const retryAfterSeconds = parseRetryAfter(this.#headers, Date.now())
    return toError(parseFailure(parseLoosely(text), this.#status), {
      secrets: this.#limits.secrets,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    })
  }
}

/** Gathers a whole body. */
export function createTextReader(): AnswerReader & { text(): string } {
  const pieces: Buffer[] = []
  return {
    push: (bytes) => void pieces.push(bytes),
    end: () => undefined,
    get progress() {
      return pieces.length
    },
    get state() {
      return pieces.length === 0 ? 'waiting' : 'reading'
    },
    text: () => (pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)).toString('utf8'),
  }
}

export function tooLarge(message: string): InferqError {
  return new InferqError({ code: 'output_too_large', message })
}

export function interrupted(cause?: unknown): InferqError {
  return new InferqError(
    { code: 'upstream_interrupted', message: 'The connection to the upstream ended before its answer did.' },
    cause === undefined ? undefined : { cause },
  )
}

function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function timeoutError(begun: boolean, ms: number): InferqError {
  const message = begun
    ? `The upstream fell silent for ${ms} ms in the middle of its answer.`
    : `The upstream began no answer within ${ms} ms.`
  return new InferqError({ code: 'upstream_timeout', message })
}

export function tookTooLong(totalMs: number): InferqError {
  return new InferqError({ code: 'upstream_timeout', message: `The upstream's answer took more than ${totalMs} ms.` })
}

/** What went wrong below HTTP, by undici's and Node's error codes. `answered`: the head of the answer had arrived. */
export function transportError(cause: Error, answered: boolean): InferqError {
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  if (cause instanceof errors.HTTPParserError || cause instanceof errors.HeadersOverflowError) {
    return malformed('The upstream does not speak HTTP as it should.', cause)
  }
  if (answered || code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') {
    return interrupted(cause)
  }
  return new InferqError(
    { code: 'upstream_unreachable', message: `The upstream cannot be reached${code === '' ? '' : ` (${code})`}.` },
    { cause },
  )
}
