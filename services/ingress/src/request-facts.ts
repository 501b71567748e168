import type { EndPayload, RouteNote } from '@inferq/contracts'
import type { KeyHold } from '@inferq/store'
import type { Identity } from './identity.ts'
import type { JobTrack } from './job-track.ts'

/** What the log line and the metrics of a request will say; filled in as it becomes known. Never content, never keys. */
export interface RequestFacts {
  /** `clock.monotonic()` */
  readonly startedAt: number
  identity?: Identity
  jobId?: string
  model?: string
  route?: RouteNote
  promptTokens?: number
  completionTokens?: number
  ttftMs?: number
  errorCode?: string
  /** What it was granted under its Idempotency-Key: what it makes in Postgres is made in one statement with the proof. */
  hold?: KeyHold
  /** What the headers of an answer say of its job; an error's too. */
  jobHeaders?: Readonly<Record<string, string | number>>
}

declare module 'fastify' {
  interface FastifyRequest {
    facts: RequestFacts
  }
}

/** Notes how the job behind a request ended. */
export function noteEnd(facts: RequestFacts, createdAt: number, track: JobTrack, end: EndPayload): void {
  const firstOutputAt = track.firstOutputAt ?? end.timings?.firstTokenAt
  if (firstOutputAt !== undefined) facts.ttftMs = Math.max(0, firstOutputAt - createdAt)
  if (end.usage !== undefined) {
    facts.promptTokens = end.usage.promptTokens
    facts.completionTokens = end.usage.completionTokens
  }
  if (end.error !== undefined) facts.errorCode = end.error.code
}
