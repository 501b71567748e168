import { type Dispatcher, Pool } from 'undici'
import { type AnswerCheck, createStreamCheck, createWholeCheck } from './answers.ts'
import { prompt } from './prompt.ts'
import type { ChatCall, Endpoint } from './protocol.ts'

/** How one call went. `fault` null: the answer was right. */
export interface Outcome {
  readonly fault: string | null
  readonly totalMs: number
  /** Until the first text came. NaN when none came. */
  readonly firstTokenMs: number
}

export interface Caller {
  /** Never rejects: what goes wrong is in the outcome. `onText`: as for `createStreamCheck`. */
  call(onText?: (piece: string) => string): Promise<Outcome>
  close(): Promise<void>
}

/** An answer that takes longer is counted as a fault. */
const answerTimeoutMs = 30_000

/** Sends the same chat completion over at most so many connections, one request at a time on each. */
export function createCaller(endpoint: Endpoint, chat: ChatCall, connections: number): Caller {
  const { origin, pathname } = new URL(endpoint.baseUrl)
  const pool = new Pool(origin, {
    connections,
    pipelining: 1,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  })
  const options: Dispatcher.DispatchOptions = {
    path: `${pathname}/chat/completions`,
    method: 'POST',
    headers: { ...endpoint.headers, 'content-type': 'application/json' },
    // As bytes, once: a long body is not to cost the load generator what it costs a gateway.
    body: Buffer.from(bodyOf(chat)),
  }
  return {
    call: (onText) =>
      new Promise((resolve) => {
        const check = chat.stream ? createStreamCheck(chat.expected, onText) : createWholeCheck(chat.expected)
        pool.dispatch(options, new CallHandler(check, resolve))
      }),
    close: () => pool.destroy(),
  }
}

/** The body of every request of a call. */
export function bodyOf({ model, stream, bodyBytes = 0 }: ChatCall): string {
  const content = prompt.padEnd(bodyBytes, ` ${prompt}`)
  return JSON.stringify({ model, messages: [{ role: 'user', content }], ...(stream ? { stream } : {}) })
}

/** undici's leanest interface: its callbacks, without streams or a promise per step. */
class CallHandler implements Dispatcher.DispatchHandler {
  readonly #check: AnswerCheck
  readonly #resolve: (outcome: Outcome) => void
  readonly #startedAt = performance.now()
  #firstTokenMs = Number.NaN
  #status = 0

  constructor(check: AnswerCheck, resolve: (outcome: Outcome) => void) {
    this.#check = check
    this.#resolve = resolve
  }

  onRequestStart(): void {}

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#check.take(chunk.toString())
    if (Number.isNaN(this.#firstTokenMs) && this.#check.hasToken) {
      this.#firstTokenMs = performance.now() - this.#startedAt
    }
  }

  onResponseEnd(): void {
    this.#end(this.#status === 200 ? this.#check.fault() : `status ${this.#status}`)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end('code' in error ? String(error.code) : error.message)
  }

  #end(fault: string | null): void {
    this.#resolve({ fault, totalMs: performance.now() - this.#startedAt, firstTokenMs: this.#firstTokenMs })
  }
}
