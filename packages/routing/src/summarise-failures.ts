import type { AttemptRecord, ErrorCode, ErrorDetail } from '@inferq/contracts'

/** More attempts than this are told as a number. */
const maxListed = 12
const maxReasonCharacters = 200

/** Signs of how a job went on, not reasons why its first candidate did not serve it. */
const secondary: ReadonlySet<ErrorCode> = new Set(['answer_rejected', 'circuit_open'])

/**
 * One error for a job whose candidates have all failed: kind and field are the first candidate's, so that the client
 * meets the error of the model it asked for; the message tells every attempt's deployment and reason. Undefined when no
 * attempt has an error; a single one is given as it is.
 */
export function summariseFailures(attempts: readonly AttemptRecord[]): ErrorDetail | undefined {
  const failures = attempts.flatMap(({ hop, deployment, error }) =>
    error === undefined ? [] : [{ hop, where: deployment ?? 'no deployment', error }],
  )
  const telling = failures.filter(({ error }) => !secondary.has(error.code))
  const pool = telling.length > 0 ? telling : failures
  const firstHop = Math.min(...pool.map(({ hop }) => hop))
  const main = pool.findLast(({ hop }) => hop === firstHop)
  if (main === undefined) return undefined
  if (failures.length === 1) return main.error

  const listed = failures
    .slice(0, maxListed)
    .map(({ where, error }) => `${where}: ${error.code} (${clipped(error.message)})`)
  const rest = failures.length - listed.length
  const more = rest > 0 ? `; and ${rest} more` : ''
  const { retryAfterSeconds, ...detail } = main.error
  const last = failures.at(-1)?.error.retryAfterSeconds
  return {
    ...detail,
    message: `All ${failures.length} attempts failed. ${listed.join('; ')}${more}`,
    ...(last === undefined ? {} : { retryAfterSeconds: last }),
  }
}

function clipped(message: string): string {
  return message.length <= maxReasonCharacters ? message : `${message.slice(0, maxReasonCharacters - 1)}…`
}
