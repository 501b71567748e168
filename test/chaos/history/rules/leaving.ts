import type { ClientRequest, History, Span, Violation } from '../history.ts'

/** How long after its client has left, or after what hindered it was over, a call may go on. */
const stopsWithinMs = 15_000

/**
 * Who left pays for nothing more: what the upstream did for it has been stopped. Its answers have no end of their own, so one
 * that still runs, or was answered to its end, was not stopped. When it was stopped is judged only where it is known
 * what was broken meanwhile: a cancel that meets a fault waits for the end of the fault, or for a limit of time.
 */
export function checkLeft(
  { calls, disturbances, redisLosses }: Pick<History, 'calls' | 'disturbances' | 'redisLosses'>,
  request: ClientRequest,
): Violation[] {
  const { kind, ended, endedAt, user, jobId, client } = request
  if (kind !== 'leave' || ended !== 'left' || endedAt === null || user === undefined) return []
  const due = disturbances === undefined ? null : dueAt(endedAt, [...disturbances, ...redisLosses])
  return (calls.get(user) ?? [])
    .map((call) => {
      if (call.outcome === 'running' || call.endedAt === null) return 'is still running'
      if (call.outcome === 'answered') return 'was answered to its end'
      if (due !== null && call.endedAt > due) return `ended ${call.endedAt - endedAt} ms after its client had left`
      return undefined
    })
    .filter((fault) => fault !== undefined)
    .slice(0, 1)
    .map((fault) => ({
      rule: 'left-is-stopped',
      jobId: jobId ?? user,
      detail: `${client}: the call of ${user} ${fault}`,
      span: { from: request.startedAt, to: endedAt },
    }))
}

/** The latest time for a call to end whose client left then. */
function dueAt(leftAt: number, disturbances: readonly Span[]): number {
  let due = leftAt + stopsWithinMs
  for (const { from, to } of disturbances.toSorted((a, b) => a.from - b.from)) {
    if (from <= due && to >= leftAt - stopsWithinMs) due = Math.max(due, to + stopsWithinMs)
  }
  return due
}
