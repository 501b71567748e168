import type { Dispatcher } from 'undici'
import { interrupted, tooLarge, transportError } from '../exchange.ts'
import { parseFailure, toError } from '../failure.ts'
import { parseRetryAfter } from '../retry-after.ts'
import type { CallGuard } from './call-guard.ts'

const maxErrorBytes = 64 * 1024

export interface AnsweredCall {
  readonly guard: CallGuard
  /** Every piece of an answer is progress; of a stream, only its reader can tell. */
  readonly isWhole: boolean
}

export interface AnswerLimits {
  readonly maxBytes: number
  readonly idleMs: number
  readonly secrets: readonly string[]
}

/** Turns undici's events into a Response whose body ends, breaks or is left as the guard says. */
export class AnswerHandler implements Dispatcher.DispatchHandler {
  readonly #call: AnsweredCall
  readonly #limits: AnswerLimits
  readonly #resolve: (response: Response) => void
  readonly #onAbort = (): void => this.#abandon()
  readonly #reject: (reason: unknown) => void
  #controller: Dispatcher.DispatchController | undefined
  #body: ReadableStreamDefaultController<Uint8Array> | undefined
  #headers: Readonly<Record<string, string | string[] | undefined>> = {}
  #status = 0
  #bytes = 0
  #refusal: Buffer[] | undefined
  #over = false

  constructor(
    call: AnsweredCall,
    limits: AnswerLimits,
    resolve: (response: Response) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#call = call
    this.#limits = limits
    this.#resolve = resolve
    this.#reject = reject
    call.guard.signal.addEventListener('abort', this.#onAbort, { once: true })
    if (call.guard.signal.aborted) this.#abandon()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // Given up while it waited for a connection.
    if (this.#over) this.#disconnect()
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200 || this.#over) return
    this.#status = status
    this.#headers = headers
    if (status >= 300) {
      this.#refusal = []
      this.#call.guard.expectWithin(this.#limits.idleMs, () => this.#refusalError())
      return
    }
    // Not throttled by its reader: a sink takes every token at once, and `maxBytes` bounds what could gather.
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#body = controller
      },
      cancel: () => this.#abandon(),
    })
    this.#resolve(new Response(body, { status, headers: flatHeaders(headers) }))
  }

  onResponseData(_controller: Dispatcher.DispatchController, bytes: Buffer): void {
    if (this.#over) return
    this.#bytes += bytes.length
    if (this.#refusal !== undefined) {
      this.#refusal.push(bytes)
      if (this.#bytes > maxErrorBytes) this.#call.guard.fail(this.#refusalError())
      return
    }
    const { maxBytes } = this.#limits
    if (this.#bytes > maxBytes) {
      this.#call.guard.fail(tooLarge(`The upstream's answer is longer than ${maxBytes} bytes.`))
      return
    }
    if (this.#call.isWhole) this.#call.guard.progress()
    this.#body?.enqueue(new Uint8Array(bytes))
  }

  onResponseEnd(): void {
    if (this.#over) return
    if (this.#refusal !== undefined) this.#call.guard.fail(this.#refusalError())
    else {
      this.#leave()
      this.#body?.close()
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, cause: Error): void {
    if (this.#over) return
    const { guard } = this.#call
    if (this.#refusal !== undefined) guard.fail(this.#refusalError())
    else guard.fail(transportError(cause, this.#status !== 0))
  }

  /** The guard has ended or the SDK wants no more: nothing of this answer reaches anyone from here on. */
  #abandon(): void {
    if (this.#over) return
    this.#leave()
    this.#disconnect()
    const reason = this.#call.guard.failure?.reason ?? interrupted()
    this.#reject(reason)
    try {
      this.#body?.error(reason)
    } catch {
      // Already closed or cancelled by its reader.
    }
  }

  #leave(): void {
    this.#over = true
    this.#call.guard.signal.removeEventListener('abort', this.#onAbort)
  }

  #disconnect(): void {
    this.#controller?.abort(new Error('The call has ended.'))
  }

  #refusalError(): unknown {
    const text = Buffer.concat(this.#refusal ?? []).toString('utf8', 0, maxErrorBytes)
    const body = parseLoosely(text)
    const failure = parseFailure(body, this.#status)
    const code = failure.code ?? awsErrorName(this.#headers['x-amzn-errortype'])
    const retryAfterSeconds = parseRetryAfter(this.#headers, Date.now())
    return toError(
      { ...failure, ...(code === undefined ? {} : { code }) },
      { secrets: this.#limits.secrets, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) },
    )
  }
}

/** `ThrottlingException:http://internal.amazon.com/coral/…` → `ThrottlingException` */
function awsErrorName(header: string | string[] | undefined): string | undefined {
  const name = (Array.isArray(header) ? header[0] : header)?.split(':')[0]
  return name === '' ? undefined : name
}

function flatHeaders(headers: Readonly<Record<string, string | string[] | undefined>>): Headers {
  const flat = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) flat.append(name, one)
  }
  return flat
}

function parseLoosely(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
