/**
 * The life of a job. This file is the only place where a status changes.
 *
 *                 ┌──────── requeue · retry · fallback ───────┐
 *                 ▼                                           │
 *   (accepted) → queued ──────────── start ───────────→ in_progress ──┐ start (the worker was lost)
 *                 │                                      ▲    │      │
 *                 │ cancel · expire · fail               └────┼──────┘
 *                 ▼                                           ▼
 *            cancelled | expired | failed        completed | failed | cancelled | expired
 *
 * `fail` from `queued`: the attempts are used up, or no candidate is left, before another start.
 * Terminal states have no way out: a finished job is run again only as a new job.
 */
export const jobStatuses = ['queued', 'in_progress', 'completed', 'failed', 'cancelled', 'expired'] as const
export type JobStatus = (typeof jobStatuses)[number]

export const terminalStatuses = ['completed', 'failed', 'cancelled', 'expired'] as const
export type TerminalStatus = (typeof terminalStatuses)[number]

/** What can happen to a job. `start` covers the first attempt and each one after a lost worker. */
export const jobMoves = ['start', 'requeue', 'retry', 'fallback', 'complete', 'fail', 'cancel', 'expire'] as const
export type JobMove = (typeof jobMoves)[number]

const transitions: Readonly<Record<JobStatus, Readonly<Partial<Record<JobMove, JobStatus>>>>> = {
  queued: { start: 'in_progress', fail: 'failed', cancel: 'cancelled', expire: 'expired' },
  in_progress: {
    start: 'in_progress',
    requeue: 'queued',
    retry: 'queued',
    fallback: 'queued',
    complete: 'completed',
    fail: 'failed',
    cancel: 'cancelled',
    expire: 'expired',
  },
  completed: {},
  failed: {},
  cancelled: {},
  expired: {},
}

/** The status after `move`, or null when the move is not allowed from `status`. */
export function nextStatus(status: JobStatus, move: JobMove): JobStatus | null {
  return transitions[status][move] ?? null
}

export function isTerminal(status: JobStatus): status is TerminalStatus {
  return status !== 'queued' && status !== 'in_progress'
}
