import type { History, Span } from '../history/history.ts'

/**
 * When each job lived, as far as its clients know: from the first request about it to the end of the last. By the job's id,
 * or, where no client has learnt it, by the `user` of the request.
 */
export function livesOf({ accepted, requests }: Pick<History, 'accepted' | 'requests'>): ReadonlyMap<string, Span> {
  const lives = new Map<string, Span>()
  const extend = (jobId: string, from: number, to: number): void => {
    const known = lives.get(jobId)
    lives.set(jobId, { from: Math.min(from, known?.from ?? from), to: Math.max(to, known?.to ?? to) })
  }
  for (const { jobId, acceptedAt } of accepted) extend(jobId, acceptedAt, acceptedAt)
  for (const { jobId, user, startedAt, endedAt } of requests) {
    const name = jobId ?? user
    if (name !== undefined) extend(name, startedAt, endedAt ?? Number.POSITIVE_INFINITY)
  }
  return lives
}

export function overlap(a: Span, b: Span): boolean {
  return a.from <= b.to && b.from <= a.to
}
