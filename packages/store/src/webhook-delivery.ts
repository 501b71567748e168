import type { DeliveryError, DeliveryState, WebhookEvent } from '@inferq/contracts'

/** The notice of a job's end to one receiver. Times in ms epoch. */
export interface WebhookDelivery {
  /** The same in every attempt: receivers know repetitions by it. */
  readonly id: string
  readonly jobId: string
  readonly owner: string
  readonly event: WebhookEvent
  readonly url: string
  /** Host and port of the URL. */
  readonly host: string
  /** Goes before the paths of the job's URLs. */
  readonly base: string | null
  readonly state: DeliveryState
  /** Begun so far, this one included. */
  readonly attempts: number
  /** Of those, since it was made or replayed last. */
  readonly attemptsThisRound: number
  /** Null unless pending. */
  readonly nextAt: number | null
  readonly lastStatus: number | null
  readonly lastError: DeliveryError | null
  readonly createdAt: number
  readonly deliveredAt: number | null
}

export interface WebhookAttempt {
  readonly attempt: number
  readonly startedAt: number
  readonly durationMs: number
  readonly status: number | null
  readonly error: DeliveryError | null
}

/** How an attempt ended, and what follows. */
export interface AttemptOutcome extends WebhookAttempt {
  readonly deliveryId: string
  readonly next:
    | { readonly kind: 'delivered' }
    | { readonly kind: 'retry'; readonly inMs: number }
    | { readonly kind: 'failed' }
    | { readonly kind: 'abandoned' }
}

/** All of a delivery but its log. */
export const deliveryColumns = `
  id, job_id, owner, event, url, host, base, state, attempts, attempts_before, next_at, last_status, last_error, created_at,
  delivered_at`

/** What pg makes of them. */
export interface DeliveryRow {
  readonly id: string
  readonly job_id: string
  readonly owner: string
  readonly event: WebhookEvent
  readonly url: string
  readonly host: string
  readonly base: string | null
  readonly state: DeliveryState
  readonly attempts: number
  readonly attempts_before: number
  readonly next_at: Date
  readonly last_status: number | null
  readonly last_error: DeliveryError | null
  readonly created_at: Date
  readonly delivered_at: Date | null
}

export function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    jobId: row.job_id,
    owner: row.owner,
    event: row.event,
    url: row.url,
    host: row.host,
    base: row.base,
    state: row.state,
    attempts: row.attempts,
    attemptsThisRound: row.attempts - row.attempts_before,
    nextAt: row.state === 'pending' ? row.next_at.getTime() : null,
    lastStatus: row.last_status,
    lastError: row.last_error,
    createdAt: row.created_at.getTime(),
    deliveredAt: row.delivered_at?.getTime() ?? null,
  }
}
