import type { IncomingHttpHeaders } from 'node:http'
import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Refuse } from '../playback.ts'

/** What a request says beside its body. */
export interface Incoming {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
}

/** One vendor's way of speaking: which requests are its own, and how it answers and refuses them. */
export interface Wire {
  readonly serves: (incoming: Incoming) => boolean
  /** Throws a RequestError unless the request carries the credentials the vendor asks for. */
  readonly authenticate: (incoming: Incoming, apiKey: string | undefined) => void
  /** Throws a RequestError. */
  readonly answer: (engine: Engine, exchange: Exchange, incoming: Incoming) => void
  readonly refuse: Refuse
}

/** Throws unless the key is there, and is the one key where there is one. */
export function requireKey(key: string | undefined, apiKey: string | undefined, missing: RequestError): void {
  if (key === undefined || key === '') throw missing
  acceptKey(key, apiKey)
}

/** Throws unless the key is the one key, where there is one. */
export function acceptKey(key: string | undefined, apiKey: string | undefined): void {
  if (apiKey !== undefined && key !== apiKey) throw wrongKey()
}

function wrongKey(): RequestError {
  return new RequestError(401, 'Incorrect API key provided.', { code: 'invalid_api_key' })
}

/** The token of an `Authorization: Bearer` header. */
export function bearerToken({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer (.+)$/i.exec(authorization ?? '')?.[1]
}

/** A header that is there once. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}
