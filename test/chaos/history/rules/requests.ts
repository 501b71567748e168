import type { ClientRequest, Rule, Violation } from '../history.ts'

/** One exchange, as far as it can be judged by itself. What clients send here is right, so none of it may be refused for good. */
export function checkRequest(request: ClientRequest): Violation[] {
  const { status, endedAt, retryAfter, errorCode, malformed, ended, kind } = request
  const violations: Violation[] = []
  const found = (rule: Rule, detail: string): void => {
    violations.push(violationOf(request, rule, detail))
  }
  if (endedAt === null) found('nothing-hangs', status === null ? 'no answer ever came' : 'its answer never ended')
  if (status === null) return violations
  if (isRefusal(status) && !/^\d+$/.test(retryAfter ?? '')) found('refusals-say-when', `${status} without Retry-After`)
  if (status === 500 || errorCode === 'internal_error') found('no-internal-error', `${status} ${errorCode ?? ''}`)
  if (status >= 400 && errorCode === null) found('no-internal-error', `${status} without the error envelope`)
  if (isFinalRefusal(status)) found('right-is-not-refused', `${status} ${errorCode ?? ''}`)
  if (malformed !== undefined) found('answers-are-well-formed', malformed)
  // A connection that is cut (its ingress was killed) is another matter: its client knows that it is.
  if (ended === 'silent' && isStream(kind)) found('streams-end-in-words', 'the stream ended without a word')
  return violations
}

/** A 499 says that the job was cancelled: by another client. */
function isFinalRefusal(status: number): boolean {
  return status >= 400 && status < 499 && status !== 429
}

function isRefusal(status: number): boolean {
  return status === 429 || status === 503
}

function isStream(kind: ClientRequest['kind']): boolean {
  return kind === 'stream' || kind === 'events' || kind === 'leave'
}

function violationOf({ jobId, user, client, kind, startedAt, endedAt }: ClientRequest, rule: Rule, detail: string) {
  const span = { from: startedAt, to: endedAt ?? startedAt }
  return { rule, jobId: jobId ?? user ?? client, detail: `${client}, ${kind}: ${detail}`, span }
}
