import { countAttempts, type ErrorDetail, type JobSpec, type TokenUsage } from '@inferq/contracts'
import type { InferqMetrics, Logger } from '@inferq/telemetry'

/** What is told of an attempt that ended. Times in ms since the epoch. */
export interface AttemptFacts {
  readonly spec: JobSpec
  readonly attempt: number
  readonly hop: number
  readonly class: string
  readonly deployment: string | undefined
  /** completed, failed, cancelled, expired, requeued, retried, fallback, or superseded. */
  readonly outcome: string
  readonly error: ErrorDetail | undefined
  readonly usage: TokenUsage | undefined
  /** In 10^-9 USD; null: the price is not known; undefined: nothing was counted. */
  readonly costNanoUsd: number | null | undefined
  readonly startedAt: number
  readonly endedAt: number
  readonly firstTokenAt: number | undefined
}

export type AttemptReport = (facts: AttemptFacts) => void

const requeueReasons: Readonly<Record<string, string>> = {
  service_unavailable: 'draining',
  circuit_open: 'circuit_open',
  no_deployment: 'not_configured_yet',
}

/** One log line and the metrics of every attempt; never a prompt, an answer or a key. */
export function createAttemptReport(log: Logger, metrics: InferqMetrics): AttemptReport {
  return (facts) => {
    const { spec, error, usage, costNanoUsd, startedAt, endedAt, firstTokenAt, outcome } = facts
    const candidate = spec.candidates[facts.hop]
    const ttftMs = firstTokenAt === undefined ? undefined : firstTokenAt - startedAt
    const promptTokens = usage?.promptTokens
    const completionTokens = usage?.completionTokens
    log.info(
      {
        jobId: spec.id,
        requestId: spec.requestId,
        attempt: facts.attempt,
        type: spec.type,
        model: spec.model,
        servedModel: candidate?.model,
        rule: spec.route?.rule,
        variant: spec.route?.variant,
        class: facts.class,
        deployment: facts.deployment,
        outcome,
        success: outcome === 'completed',
        errorCode: error?.code,
        promptTokens,
        completionTokens,
        totalTokens: usage === undefined ? undefined : (promptTokens ?? 0) + (completionTokens ?? 0),
        costUsd: typeof costNanoUsd === 'number' ? costNanoUsd / 1e9 : costNanoUsd,
        latencyMs: endedAt - startedAt,
        ttftMs,
        queuedMs: startedAt - spec.createdAt,
      },
      'job-end',
    )
    const labels = { model_class: facts.class, model: candidate?.model ?? spec.model }
    metrics.attempts
      .with({ model_class: facts.class, deployment: facts.deployment ?? 'none', outcome: error?.code ?? outcome })
      .inc()
    if (outcome === 'requeued') {
      const reason = requeueReasons[error?.code ?? ''] ?? 'backend_busy'
      metrics.requeues.with({ model_class: facts.class, reason }).inc()
    }
    if (ttftMs !== undefined) metrics.timeToFirstTokenSeconds.with(labels).observe(ttftMs / 1000)
    if (promptTokens !== undefined) metrics.tokens.with({ ...labels, direction: 'prompt' }).inc(promptTokens)
    if (completionTokens !== undefined)
      metrics.tokens.with({ ...labels, direction: 'completion' }).inc(completionTokens)
    if (costNanoUsd === null) metrics.unpricedCalls.with({ model: labels.model }).inc()
    else if (costNanoUsd !== undefined) metrics.spendUsd.with({ model: labels.model }).inc(costNanoUsd / 1e9)
    if (spec.route?.variant !== undefined) {
      metrics.variants.with({ rule: spec.route.rule ?? '', variant: spec.route.variant, outcome }).inc()
    }
    if (countAttempts(facts.attempt) === 1) {
      metrics.jobQueueSeconds
        .with({ model_class: facts.class, type: spec.type })
        .observe(Math.max(0, startedAt - spec.createdAt) / 1000)
    }
  }
}
