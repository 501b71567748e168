import type { IncomingHttpHeaders } from 'node:http'
import type { Operation } from '@inferq/contracts'
import type { RouteRequest } from '@inferq/routing'
import type { Identity } from './identity.ts'
import type { RequestBody } from './job-spec.ts'

export interface RouteSource {
  readonly model: string
  readonly operation: Operation
  readonly request: RequestBody
  readonly identity: Identity
  readonly headers: IncomingHttpHeaders
  /** Of a native job, beside that of its request. */
  readonly metadata: Readonly<Record<string, string>>
  readonly now: number
}

const nothing: Readonly<Record<string, unknown>> = {}

/** What a routing decision is made of, from an accepted request. */
export function routeRequestOf(source: RouteSource): RouteRequest {
  const { model, operation, request, identity, headers, metadata, now } = source
  const { key, user, team } = identity
  const ofBody = request['metadata']
  return {
    model,
    operation,
    body: request,
    caller: {
      ...(key === undefined ? {} : { key }),
      ...(user === undefined ? {} : { user }),
      ...(team === undefined ? {} : { team }),
      metadata: identity.metadata ?? nothing,
    },
    metadata: typeof ofBody === 'object' && ofBody !== null ? { ...ofBody, ...metadata } : metadata,
    headers,
    now,
    random: Math.random,
  }
}
