import { Pool } from 'undici'
import { secretsOf } from '../credentials.ts'
import { malformed } from '../json.ts'
import type { ProviderDependencies, Upstream } from '../port.ts'
import { type AnsweredCall, AnswerHandler, type AnswerLimits } from './answer-handler.ts'
import { withExtraFields } from './extra-fields.ts'
import { headersFor } from './headers.ts'

const defaultConnections = 1_024
const defaultMaxResponseBytes = 128 * 1024 * 1024

export type Fetch = typeof globalThis.fetch

export interface FetchCall extends AnsweredCall {
  readonly requestId: string
  /** Fields laid into the body the SDK made. */
  readonly extraFields: Readonly<Record<string, unknown>>
}

export interface Connection {
  /** The `fetch` one call's SDK is given. It tells every failure to the guard and sends exactly what it is told, once. */
  fetchFor(call: FetchCall): Fetch
  close(): Promise<void>
}

/** A pool of connections to one upstream, in the shape SDKs want: `fetch`. See http-client.ts for the choices made there. */
export function createConnection(
  upstream: Upstream,
  dependencies: ProviderDependencies,
  credentialSecrets: readonly string[],
): Connection {
  const { origin } = new URL(upstream.baseUrl)
  const pool = new Pool(origin, {
    connections: dependencies.connections ?? defaultConnections,
    pipelining: 1,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: upstream.timeouts.connectMs },
  })
  const limits: AnswerLimits = {
    maxBytes: dependencies.maxResponseBytes ?? defaultMaxResponseBytes,
    idleMs: upstream.timeouts.idleMs,
    secrets: [...secretsOf(upstream), ...credentialSecrets],
  }

  return {
    fetchFor: (call) => (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input)
      // A key goes to the address it was given for and nowhere else.
      if (url.origin !== origin) {
        const error = malformed('The upstream sent us to another address.')
        call.guard.fail(error)
        throw error
      }
      return new Promise<Response>((resolve, reject) => {
        pool.dispatch(
          {
            path: url.pathname + url.search,
            method: init?.method === 'GET' ? 'GET' : 'POST',
            headers: headersFor(upstream, new Headers(init?.headers), call.requestId),
            body: withExtraFields(typeof init?.body === 'string' ? init.body : '', call.extraFields),
          },
          new AnswerHandler(call, limits, resolve, reject),
        )
      })
    },
    close: () => pool.destroy(),
  }
}
