import type { InferqConfig } from '@inferq/config'
import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'
import type { Store } from '@inferq/store'
import type { InferqMetrics, Metrics } from '@inferq/telemetry'
import type { WebhookSecrets } from '@inferq/webhooks'
import { createDeliver } from './deliver.ts'
import { createDispatcher, type Dispatcher, type DispatcherLimits } from './dispatcher.ts'
import { createSender, type Resolve, resolveName } from './send.ts'

export interface WebhookParts {
  readonly store: Store
  readonly webhookSecrets: WebhookSecrets
  readonly clock: Clock
  readonly log: Log
  readonly registry: Metrics
  readonly metrics: InferqMetrics
  /** Default: the system's. */
  readonly resolve?: Resolve
  /** Asked at every attempt. */
  config(): InferqConfig['webhooks']
  readonly limits: DispatcherLimits
  readonly countEveryMs: number
  /** Between attempts. */
  readonly waitsMs: readonly number[]
}

/** What an attempt may take beside waiting for the receiver: Postgres, before and after. */
const leaseMarginMs = 45_000

export interface Webhooks {
  readonly dispatcher: Dispatcher
  /** Keeps the gauge of what is pending: a scrape does not wait for Postgres. */
  readonly counting: Service
}

/** The deliveries of webhooks, as services. */
export function createWebhooks(parts: WebhookParts): Webhooks {
  const { store, webhookSecrets, clock, log, registry, metrics, resolve = resolveName, config, limits } = parts
  const pending = registry.gauge({
    name: 'inferq_webhook_deliveries_pending',
    help: 'Webhook deliveries that are due or wait for another attempt, over all controllers',
  })
  const timeoutMs = (): number => config().timeoutSeconds * 1000
  const deliver = createDeliver({
    store,
    secrets: webhookSecrets,
    sender: createSender({ policy: config, resolve, clock }),
    clock,
    log,
    metrics,
    random: Math.random,
    waitsMs: parts.waitsMs,
    settings: () => ({ timeoutMs: timeoutMs(), maxAttempts: config().maxAttempts }),
  })
  return {
    dispatcher: createDispatcher({ store, deliver, clock, log, limits, leaseMs: () => timeoutMs() + leaseMarginMs }),
    counting: createPeriodicService({
      name: 'webhook-count',
      intervalMs: parts.countEveryMs,
      log,
      clock,
      async run() {
        const count = await store.countPendingDeliveries().catch(() => null)
        pending.clear()
        if (count !== null) pending.with({}).set(count)
      },
    }),
  }
}
