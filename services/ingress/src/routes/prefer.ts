import type { IncomingHttpHeaders } from 'node:http'

/** Whether the request says `Prefer: <token>` (RFC 7240). */
export function wants(headers: IncomingHttpHeaders, token: string): boolean {
  return preferences(headers).some(([name]) => name === token)
}

/** Seconds of `Prefer: wait=N`, at most `max`; 0 without it, or where N is no number. */
export function waitSeconds(headers: IncomingHttpHeaders, max: number): number {
  const wait = preferences(headers).find(([name]) => name === 'wait')?.[1]
  return wait !== undefined && /^\d{1,9}$/.test(wait) ? Math.min(Number(wait), max) : 0
}

/**
 * What `Preference-Applied` says of an answer; undefined where nothing was asked for, or applied. An answer that came in
 * time is no asynchronous one (RFC 7240, section 4.1).
 */
export function preferenceApplied(
  headers: IncomingHttpHeaders,
  answer: { readonly waitedSeconds: number; readonly isAsynchronous: boolean },
): string | undefined {
  const applied = [
    ...(answer.isAsynchronous && wants(headers, 'respond-async') ? ['respond-async'] : []),
    ...(answer.waitedSeconds > 0 ? [`wait=${answer.waitedSeconds}`] : []),
  ]
  return applied.length === 0 ? undefined : applied.join(', ')
}

/** The first of each name counts; a value may be a quoted text. */
function preferences(headers: IncomingHttpHeaders): readonly (readonly [name: string, value: string | undefined])[] {
  const { prefer } = headers
  if (prefer === undefined) return []
  const text = Array.isArray(prefer) ? prefer.join(',') : prefer
  return text.split(/[,;]/).map((part) => {
    const [name = '', value] = part.split('=')
    return [name.trim().toLowerCase(), value?.trim().replace(/^"(.*)"$/, '$1')] as const
  })
}
