import type { AcceptedJob, ClientRequest, ReadEvent, ReaderHistory } from '../history/history.ts'

/** Keeps what the clients have seen. */
export interface Recorder {
  readonly accepted: readonly AcceptedJob[]
  readonly readers: readonly ReaderHistory[]
  readonly requests: readonly ClientRequest[]
  readonly counts: { readonly accepted: number; readonly answered: number; readonly refused: number }
  /** An exchange that is over, or hangs. */
  request(request: ClientRequest): void
  /** A submit that was answered with a 2xx; the same job again changes nothing. */
  accept(job: AcceptedJob): void
  /** The history of a reader that has begun. */
  reader(name: string, jobId: string): ReaderRecord
}

export interface ReaderRecord extends ReaderHistory {
  add(event: ReadEvent): void
  complete(): void
}

const interactiveKinds: ReadonlySet<ClientRequest['kind']> = new Set(['stream', 'whole', 'embedding'])

export function createRecorder(): Recorder {
  const accepted = new Map<string, AcceptedJob>()
  const readers: ReaderRecord[] = []
  const requests: ClientRequest[] = []
  /** Readers of one job see the same events: kept once. */
  const eventsOfJob = new Map<string, Map<string, ReadEvent>>()
  let answered = 0
  let refused = 0

  const sharedEvent = (jobId: string, event: ReadEvent): ReadEvent => {
    const known = eventsOfJob.get(jobId)
    const same = known?.get(event.id)
    if (same?.event === event.event && same.text === event.text && same.digest === event.digest) return same
    known?.set(event.id, event)
    return event
  }

  return {
    get accepted() {
      return [...accepted.values()]
    },
    readers,
    requests,
    get counts() {
      return { accepted: accepted.size, answered, refused }
    },
    request(request) {
      // Of equal texts one is enough.
      requests.push(
        request.text !== undefined && request.text === request.expected
          ? { ...request, text: request.expected }
          : request,
      )
      const { status, ended, kind } = request
      if (status === 429 || status === 503 || (status === null && ended === 'cut')) refused += 1
      else if (interactiveKinds.has(kind) && status !== null && status < 300) answered += 1
    },
    accept(job) {
      if (!accepted.has(job.jobId)) accepted.set(job.jobId, job)
    },
    reader(name, jobId) {
      if (!eventsOfJob.has(jobId)) eventsOfJob.set(jobId, new Map())
      const events: ReadEvent[] = []
      const times: number[] = []
      const record = {
        ...{ reader: name, jobId, events, times, isComplete: false },
        add(event: ReadEvent) {
          events.push(sharedEvent(jobId, event))
          times.push(Date.now())
        },
        complete() {
          record.isComplete = true
        },
      }
      readers.push(record)
      return record
    },
  }
}
