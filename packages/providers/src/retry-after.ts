type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const longestSeconds = 86_400

/**
 * Seconds until another call makes sense: `retry-after-ms` (OpenAI, exact), `retry-after` (seconds or an HTTP date), else the
 * later of the two `x-ratelimit-reset-…`. Undefined when nothing is said or understood; never more than a day.
 */
export function parseRetryAfter(headers: Headers, nowMs: number): number | undefined {
  const milliseconds = number(headers['retry-after-ms'])
  if (milliseconds !== undefined) return bounded(milliseconds / 1_000)
  const after = text(headers['retry-after'])
  if (after !== undefined) {
    const seconds = number(after)
    if (seconds !== undefined) return bounded(seconds)
    const at = Date.parse(after)
    if (!Number.isNaN(at)) return bounded((at - nowMs) / 1_000)
  }
  const resets = ['x-ratelimit-reset-requests', 'x-ratelimit-reset-tokens', 'x-ratelimit-reset']
    .map((name) => parseReset(text(headers[name]), nowMs))
    .filter((seconds) => seconds !== undefined)
  return resets.length === 0 ? undefined : bounded(Math.max(...resets))
}

/** `1s`, `6m0s`, `120ms` (OpenAI); seconds, or the time of the reset as Unix seconds or milliseconds (others). */
function parseReset(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  const plain = number(value)
  if (plain !== undefined) {
    if (plain > 1e12) return (plain - nowMs) / 1_000
    return plain > 1e9 ? plain - nowMs / 1_000 : plain
  }
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/.exec(value)
  if (match === null || value === '') return undefined
  const [hours, minutes, seconds, milliseconds] = match.slice(1).map((part) => Number(part ?? 0))
  return (hours ?? 0) * 3_600 + (minutes ?? 0) * 60 + (seconds ?? 0) + (milliseconds ?? 0) / 1_000
}

function text(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value.trim() : value?.[0]?.trim()
}

function number(value: string | readonly string[] | undefined): number | undefined {
  const plain = text(value)
  return plain !== undefined && /^\d+(\.\d+)?$/.test(plain) ? Number(plain) : undefined
}

function bounded(seconds: number): number {
  return Math.min(Math.max(seconds, 0), longestSeconds)
}
