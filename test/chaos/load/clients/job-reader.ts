import { between } from '../../run/random.ts'
import { createEventsReader } from '../body-reader.ts'
import { type Client, isForLater, pause } from '../client.ts'

/** How often a reader drops its connection at most; in the end it stays. */
const mostDrops = 3
const comesBackMs = [0, 400] as const

/**
 * Reads the events of a job to their end: drops its connection now and then, and comes back with the last id it has, at any
 * ingress. Resolves at the end of the job, or when nobody waits any longer.
 */
export async function readJob(client: Client, name: string, jobId: string): Promise<void> {
  const { random, context } = client
  const record = context.recorder.reader(name, jobId)
  let drops = between(random, [0, mostDrops])
  let after = ''
  let isOver = false
  let not: string | undefined

  while (!isOver && !context.giveUp.aborted) {
    const leave = new AbortController()
    let left = drops > 0 ? between(random, [1, 6]) : Number.POSITIVE_INFINITY
    const { request, origin } = await client.ask(
      {
        ...{ kind: 'events', method: 'GET', path: `/v1/jobs/${jobId}/events`, jobId, leave: leave.signal },
        ...(after === '' ? {} : { headers: { 'last-event-id': after } }),
        reader: () =>
          createEventsReader((event, isTerminal) => {
            // What is still in the air when a client goes away, it has not seen.
            if (leave.signal.aborted) return
            record.add(event)
            isOver ||= isTerminal
            if (event.id !== '') after = event.id
            left -= 1
            if (left <= 0 && !isOver) leave.abort()
          }),
      },
      not,
    )
    if (request.status !== null && request.status >= 400 && !isForLater(request)) return
    if (request.status === 204) return
    if (request.ended === 'left') drops -= 1
    not = isForLater(request) ? origin : undefined
    if (!isOver) await pause(between(random, comesBackMs) + later(request.retryAfter), context.giveUp)
  }
  if (isOver) record.complete()
}

function later(retryAfter: string | undefined): number {
  return Math.min(Number(retryAfter ?? 0) || 0, 10) * 1000
}
