import { type DeliveryError, InferqError } from '@inferq/contracts'
import { type Clock, createDeadline, DeadlineError, type Log } from '@inferq/runtime'
import type { Store, WebhookDelivery } from '@inferq/store'
import type { InferqMetrics } from '@inferq/telemetry'
import { signatureHeaders, type WebhookSecrets } from '@inferq/webhooks'
import { eventBody } from './event-body.ts'
import { afterAttempt, type SendResult } from './retry-schedule.ts'
import type { Sender } from './send.ts'

export interface DeliverParts {
  readonly store: Pick<Store, 'getJob' | 'settleDelivery'>
  readonly secrets: WebhookSecrets
  readonly sender: Sender
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<InferqMetrics, 'webhookDeliveries'>
  /** Gives 0 ≤ n < 1. */
  readonly random: () => number
  /** After the first, second, … attempt. */
  readonly waitsMs: readonly number[]
  settings(): { readonly timeoutMs: number; readonly maxAttempts: number }
}

const userAgent = 'inferq-webhooks/1'

/**
 * Makes the attempt that a claim stands for, and records how it ended. At least once: whoever dies between the POST and the
 * record leaves a lease behind, and when that is over the event is sent again, under the same id.
 * Throws when it was stopped, or Postgres is away: then nothing is recorded either.
 */
export function createDeliver(parts: DeliverParts): (delivery: WebhookDelivery, stop: AbortSignal) => Promise<void> {
  const { store, secrets, sender, clock, log, metrics, random, waitsMs, settings } = parts

  const secretsOf = async (owner: string): Promise<readonly string[] | DeliveryError> => {
    try {
      return await secrets.signing(owner)
    } catch (thrown) {
      if (!(thrown instanceof InferqError) || thrown.code === 'service_unavailable') throw thrown
      return { code: 'unsigned', message: thrown.message }
    }
  }

  /** Null: the job is past its retention, and the delivery with it. */
  const attempt = async (delivery: WebhookDelivery, signal: AbortSignal): Promise<SendResult | null> => {
    const lookup = await store.getJob(delivery.jobId, delivery.owner)
    if (lookup.kind !== 'found') return null
    const signing = await secretsOf(delivery.owner)
    if ('code' in signing) return { kind: 'failed', error: signing }
    const body = eventBody(lookup.job, delivery)
    const signed = signatureHeaders({ id: delivery.id, at: clock.now(), body, secrets: signing })
    const headers = { 'content-type': 'application/json; charset=utf-8', 'user-agent': userAgent, ...signed }
    return sender.send({ url: delivery.url, headers, body, signal })
  }

  const attemptInTime = async (
    delivery: WebhookDelivery,
    timeoutMs: number,
    stop: AbortSignal,
  ): Promise<SendResult | null> => {
    const deadline = createDeadline(clock, { timeoutMs, what: 'the receiver', parent: stop })
    try {
      return await attempt(delivery, deadline.signal)
    } catch (thrown) {
      if (!(thrown instanceof DeadlineError)) throw thrown
      const message = `No answer within ${Math.round(timeoutMs / 100) / 10} s.`
      return { kind: 'failed', error: { code: 'timeout', message } }
    } finally {
      deadline.release()
    }
  }

  return async (delivery, stop) => {
    const { timeoutMs, maxAttempts } = settings()
    const startedAt = clock.now()
    const begunAt = clock.monotonic()
    const result = await attemptInTime(delivery, timeoutMs, stop)
    if (result === null) return
    const durationMs = clock.monotonic() - begunAt
    const next = afterAttempt({
      ...{ result, attempt: delivery.attemptsThisRound, maxAttempts, waitsMs, random: random() },
    })
    const status = result.kind === 'answered' ? result.status : null
    const error = next.kind === 'delivered' ? null : errorOf(result)
    await store.settleDelivery({
      ...{ deliveryId: delivery.id, attempt: delivery.attempts, startedAt, durationMs, status, error, next },
    })
    metrics.webhookDeliveries.with({ outcome: next.kind === 'retry' ? 'retried' : next.kind }).inc()
    // Never the URL: what follows the host may be a secret.
    const facts = { deliveryId: delivery.id, jobId: delivery.jobId, attempt: delivery.attempts, host: delivery.host }
    const ms = Math.round(durationMs)
    if (next.kind === 'delivered') log.info({ ...facts, status, ms }, 'webhook-delivered')
    else log.warn({ ...facts, status, ms, error: error?.code, next: next.kind }, 'webhook-attempt-failed')
  }
}

function errorOf(result: SendResult): DeliveryError {
  if (result.kind === 'failed') return result.error
  return { code: 'status', message: `The receiver answered ${result.status}.` }
}
