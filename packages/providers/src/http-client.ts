import { Pool } from 'undici'
import { credentialHeaders, type Holder, secretsOf } from './credentials.ts'
import { type AnswerReader, createTextReader, Exchange, type ExchangeLimits } from './exchange.ts'
import type { ProviderDependencies, Upstream } from './port.ts'

// Neither needs to be reached by an honest upstream; both must exist.
const defaultConnections = 1_024
const defaultMaxResponseBytes = 128 * 1024 * 1024
const defaultResponseMs = 600_000
/** Of a whole answer's body: room for log probabilities of some ten thousand tokens, and it travels through Redis whole. */
const maxAnswerBytes = 32 * 1024 * 1024

/** What is sent; `body` is JSON, absent for a GET. */
export interface HttpRequest {
  readonly path: string
  readonly body?: string
  readonly requestId: string
  readonly signal: AbortSignal
}

/** Calls of one upstream over kept connections. Failures are InferqErrors, see Exchange. */
export interface HttpClient {
  /** The whole body, as text, of embeddings; of an answer, which is never that long, with `kind: 'answer'`. */
  whole(request: HttpRequest, kind?: 'answer' | 'embeddings'): Promise<string>
  /** The body piece by piece into the reader. */
  stream(request: HttpRequest, reader: AnswerReader): Promise<void>
  close(): Promise<void>
}

export type HttpTarget = Holder & Pick<Upstream, 'timeouts'>

/**
 * A pool of its own for each upstream: a deployment that hangs cannot take another one's connections.
 * undici's own timeouts are off, because they are up to half a second late and cannot tell a token from a comment; its
 * keep-alive of 4 s stays, one second below uvicorn's (vLLM), which closes idle connections without a word.
 * `dispatch` instead of `request`: 0.6 times the CPU for a short answer, measured, and no stream to clean up.
 */
export function createHttpClient(target: HttpTarget, dependencies: ProviderDependencies = {}): HttpClient {
  const { origin } = new URL(target.baseUrl)
  const { timeouts } = target
  const pool = new Pool(origin, {
    connections: dependencies.connections ?? defaultConnections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: timeouts.connectMs },
  })
  const headers = requestHeaders(target)
  const secrets = secretsOf(target)
  const maxBytes = dependencies.maxResponseBytes ?? defaultMaxResponseBytes
  const totalMs = timeouts.responseMs ?? defaultResponseMs
  const limits = { idleMs: timeouts.idleMs, maxBytes, secrets }
  const wholeLimits: ExchangeLimits = { ...limits, firstMs: totalMs, totalMs }
  const answerLimits: ExchangeLimits = { ...wholeLimits, maxBytes: Math.min(maxBytes, maxAnswerBytes) }
  const streamLimits: ExchangeLimits = { ...limits, firstMs: timeouts.firstTokenMs }

  async function send(request: HttpRequest, reader: AnswerReader, limits: ExchangeLimits): Promise<void> {
    request.signal.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const exchange = new Exchange(reader, limits, request.signal, resolve, reject)
      pool.dispatch(
        {
          path: request.path,
          method: request.body === undefined ? 'GET' : 'POST',
          headers: [...headers, 'x-request-id', headerValue(request.requestId)],
          body: request.body ?? null,
        },
        exchange,
      )
    })
  }

  return {
    async whole(request, kind = 'embeddings') {
      const reader = createTextReader()
      await send(request, reader, kind === 'answer' ? answerLimits : wholeLimits)
      return reader.text()
    },
    stream: (request, reader) => send(request, reader, streamLimits),
    close: () => pool.destroy(),
  }
}

function requestHeaders(target: HttpTarget): readonly string[] {
  const headers = new Map<string, string>([
    ['content-type', 'application/json'],
    ['user-agent', 'inferq'],
  ])
  for (const [name, value] of Object.entries(credentialHeaders(target))) headers.set(name, value)
  for (const [name, value] of Object.entries(target.headers ?? {})) headers.set(name.toLowerCase(), value)
  return [...headers].flat()
}

/** A request id comes from the client: what HTTP does not allow in a header is left out. */
function headerValue(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '').slice(0, 200)
}
