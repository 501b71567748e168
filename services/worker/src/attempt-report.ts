import type { EndPayload, JobSpec } from '@inferq/contracts'
import type { InferqMetrics, Logger } from '@inferq/telemetry'

/** What is told of an attempt that ended. Times in ms since the epoch. */
export interface AttemptFacts {
  readonly spec: JobSpec
  readonly attempt: number
  readonly class: string
  readonly deployment: string | undefined
  /** completed, failed, cancelled, expired, requeued, retried, fallback, or superseded. */
  readonly outcome: string
  readonly end: Pick<EndPayload, 'usage' | 'error'>
  readonly startedAt: number
  readonly endedAt: number
  readonly firstTokenAt: number | undefined
}

export type AttemptReport = (facts: AttemptFacts) => void

/** One log line and the metrics of every attempt; never a prompt, an answer or a key. */
export function createAttemptReport(log: Logger, metrics: InferqMetrics): AttemptReport {
  return (facts) => {
    const { spec, end, startedAt, endedAt, firstTokenAt, outcome } = facts
    const ttftMs = firstTokenAt === undefined ? undefined : firstTokenAt - startedAt
    const promptTokens = end.usage?.promptTokens
    const completionTokens = end.usage?.completionTokens
    log.info(
      {
        jobId: spec.id,
        requestId: spec.requestId,
        attempt: facts.attempt,
        type: spec.type,
        model: spec.model,
        class: facts.class,
        deployment: facts.deployment,
        outcome,
        success: outcome === 'completed',
        errorCode: end.error?.code,
        promptTokens,
        completionTokens,
        totalTokens: end.usage === undefined ? undefined : (promptTokens ?? 0) + (completionTokens ?? 0),
        latencyMs: endedAt - startedAt,
        ttftMs,
        queuedMs: startedAt - spec.createdAt,
      },
      'job-end',
    )
    const labels = { model_class: facts.class, model: spec.model }
    metrics.attempts
      .with({ model_class: facts.class, deployment: facts.deployment ?? 'none', outcome: end.error?.code ?? outcome })
      .inc()
    if (outcome === 'requeued') {
      const reason = end.error?.code === 'service_unavailable' ? 'draining' : 'backend_busy'
      metrics.requeues.with({ model_class: facts.class, reason }).inc()
    }
    if (ttftMs !== undefined) metrics.timeToFirstTokenSeconds.with(labels).observe(ttftMs / 1000)
    if (promptTokens !== undefined) metrics.tokens.with({ ...labels, direction: 'prompt' }).inc(promptTokens)
    if (completionTokens !== undefined)
      metrics.tokens.with({ ...labels, direction: 'completion' }).inc(completionTokens)
    if (facts.attempt === 1) {
      metrics.jobQueueSeconds
        .with({ model_class: facts.class, type: spec.type })
        .observe(Math.max(0, startedAt - spec.createdAt) / 1000)
    }
  }
}
