import { viewOfJob } from '@inferq/contracts'
import type { StoredJob, WebhookDelivery } from '@inferq/store'

/** A result of more bytes is fetched by whoever wants it. */
const maxResultBytes = 256 * 1024

/**
 * The body of an event: the job as `GET /v1/jobs/{id}` gives it, at its end. Made of what no longer changes, so that every
 * attempt says the same. A large result is left out, and `result_omitted` says so.
 */
export function eventBody(job: StoredJob, delivery: Pick<WebhookDelivery, 'event' | 'base' | 'createdAt'>): string {
  const view = viewOfJob(delivery.base ?? '', { ...job, position: null, progress: null })
  const size = view.result === null ? 0 : Buffer.byteLength(JSON.stringify(view.result))
  const data = size > maxResultBytes ? { ...view, result: null, result_omitted: true } : view
  return JSON.stringify({ type: delivery.event, timestamp: new Date(delivery.createdAt).toISOString(), data })
}
