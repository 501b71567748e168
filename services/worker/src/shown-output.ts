import type { ChoiceDelta, LogPosition } from '@inferq/contracts'
import type { TokenLog } from '@inferq/tokenlog'

/**
 * The text that readers of a job have from earlier attempts, when it is all they have: then another deployment may go on
 * after it. Null when they have something a prefix cannot carry (calls of tools, reasoning, log probabilities, further
 * choices, an end), or nothing.
 */
export async function readShownText(tokenLog: TokenLog, jobId: string): Promise<string | null> {
  let text = ''
  let after: LogPosition | null = null
  for (;;) {
    const entries = await tokenLog.read(jobId, after)
    const last = entries?.at(-1)
    if (entries === null || last === undefined) return text === '' ? null : text
    for (const { kind, payload } of entries) {
      if (kind === 'x') text = ''
      else if (kind === 't') text += payload
      else if (kind === 'd' && !isEmpty(JSON.parse(payload) as ChoiceDelta[])) return null
    }
    after = last
  }
}

/** Some begin a stream with a delta that holds nothing but the role. */
function isEmpty(deltas: readonly ChoiceDelta[]): boolean {
  return deltas.every(
    ({ index, delta = {}, finish_reason, logprobs, text }) =>
      index === 0 &&
      (finish_reason === undefined || finish_reason === null) &&
      (logprobs === undefined || logprobs === null) &&
      text === undefined &&
      Object.entries(delta).every(([field, value]) => field === 'role' || value === null || value === ''),
  )
}

/** Whether this request's answer is plain text from its beginning to its end. */
export function isPlainChat(operation: string, request: Readonly<Record<string, unknown>>): boolean {
  if (operation !== 'chat') return false
  const { n, tools, functions, logprobs, response_format: format } = request
  const isText = format === undefined || format === null || (format as { type?: unknown }).type === 'text'
  return (n ?? 1) === 1 && isEmptyList(tools) && isEmptyList(functions) && !logprobs && isText
}

function isEmptyList(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0)
}
