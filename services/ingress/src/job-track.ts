import {
  countAttempts,
  isTerminalKind,
  type JobSpec,
  type LogEntry,
  type RequeuedPayload,
  type ServedPayload,
} from '@inferq/contracts'

/** What a reader has learned about a job from the entries it saw: where it waits or runs, and what was shown. */
export class JobTrack {
  readonly jobId: string
  class: string
  /** Index of the candidate that serves it. */
  hop: number
  /** Moves to another candidate. */
  fallbacks = 0
  /** The deployment the output is from; known with the first of it. */
  deployment: string | undefined
  /** Attempts begun, since Redis lost the job if it did. */
  attempts: number
  waiting: boolean
  /** Output of the current generation was shown; a reset clears it. */
  shown = false
  /** When the first output came (ms epoch). */
  firstOutputAt: number | undefined

  constructor(start: { jobId: string; class: string; hop: number; attempts: number; waiting: boolean }) {
    this.jobId = start.jobId
    this.class = start.class
    this.hop = start.hop
    this.attempts = start.attempts
    this.waiting = start.waiting
  }

  see(entry: LogEntry, now: number): void {
    // An end from outside of an attempt is numbered like the next one, and has the seq 0 that only a start has else.
    if (entry.seq > 0 || entry.kind === 's') this.attempts = countAttempts(entry.attempt)
    switch (entry.kind) {
      case 't':
      case 'd':
        this.waiting = false
        this.shown = true
        this.firstOutputAt ??= now
        return
      case 's':
        this.waiting = false
        return
      case 'm':
        this.deployment = (JSON.parse(entry.payload) as ServedPayload).deployment
        return
      case 'r': {
        const requeued = JSON.parse(entry.payload) as RequeuedPayload
        if (requeued.move === 'fallback') this.fallbacks++
        this.hop = requeued.hop
        this.class = requeued.class
        this.waiting = true
        return
      }
      case 'x':
        this.shown = false
        return
      default:
        if (isTerminalKind(entry.kind)) this.waiting = false
    }
  }
}

/** The track of a job accepted just now. */
export function trackFromStart(spec: JobSpec): JobTrack {
  return new JobTrack({ jobId: spec.id, class: spec.candidates[0]?.class ?? '', hop: 0, attempts: 0, waiting: true })
}

/** The public model that serves the job where it is now: the client's, or that of the candidate it fell back to. */
export function servedModel(spec: Pick<JobSpec, 'model' | 'candidates'>, hop: number): string {
  return spec.candidates[hop]?.model ?? spec.model
}
