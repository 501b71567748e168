import type { Counter, Family, Gauge, Histogram, Metrics } from './metrics.ts'

/** From the blink of a cached answer to ten minutes of summarizing. */
const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600]
const waitBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

/** Every metric of inferq by one name, so that all services and dashboards mean the same. Labels are bounded. */
export interface InferqMetrics {
  /** Jobs that reached a terminal state. `outcome`: completed, failed, cancelled, expired. */
  readonly jobs: Family<Counter, 'model_class' | 'model' | 'type' | 'outcome'>
  /** Jobs that ended as failed: dead letters. `code`: of their error. An alert on their growth starts here. */
  readonly jobFailures: Family<Counter, 'model_class' | 'code'>
  /** From accepted to the first attempt's start. */
  readonly jobQueueSeconds: Family<Histogram, 'model_class' | 'type'>
  /** From accepted to the terminal state. */
  readonly jobDurationSeconds: Family<Histogram, 'model_class' | 'type' | 'outcome'>
  /** From the attempt's start to its first token. */
  readonly timeToFirstTokenSeconds: Family<Histogram, 'model_class' | 'model'>
  /** `direction`: prompt or completion. */
  readonly tokens: Family<Counter, 'model_class' | 'model' | 'direction'>
  /** Jobs that wait: waiting, prioritized and delayed. */
  readonly queueDepth: Family<Gauge, 'model_class'>
  /** Age of the oldest waiting job. */
  readonly queueOldestSeconds: Family<Gauge, 'model_class'>
  /** Jobs put back without counting a failure. `reason`: no_room, draining, backend_busy, circuit_open. */
  readonly requeues: Family<Counter, 'model_class' | 'reason'>
  /** Attempts that ended. `outcome`: completed, or the error's code. */
  readonly attempts: Family<Counter, 'model_class' | 'deployment' | 'outcome'>
  /** Cost of attempts, in USD; those of unknown price are counted by the next. */
  readonly spendUsd: Family<Counter, 'model'>
  readonly unpricedCalls: Family<Counter, 'model'>
  /** Attempts of requests that a split has sent to a variant. */
  readonly variants: Family<Counter, 'rule' | 'variant' | 'outcome'>
  readonly workerInFlight: Family<Gauge, 'model_class'>
  /** What the worker's gate allows in flight now. */
  readonly workerLimit: Family<Gauge, 'model_class'>
  /** Changes of a class's limit. `reason`: `room` and others that raise or lower it. */
  readonly gateChanges: Family<Counter, 'model_class' | 'reason'>
  /** Looks at a backend's load that failed. */
  readonly backendMetricsUnreadable: Family<Counter, 'model_class'>
  /** Turns of models at backends that cannot hold them all. `from`, `to`: the models' classes. */
  readonly modelSwaps: Family<Counter, 'from' | 'to'>
  /** Jobs offered to the worker that has served their conversation, by its `reply`: `taken`, `refused`, `silent`. */
  readonly handovers: Family<Counter, 'model_class' | 'reply'>
  /** A worker's wedged fetchers that were replaced. */
  readonly consumerRecreations: Family<Counter, 'model_class'>
  /** 0 closed, 1 half open, 2 open, as this process sees it. */
  readonly deploymentCircuit: Family<Gauge, 'deployment'>
  /** `to`: open, half_open, closed. Counted by the process that made the transition. */
  readonly circuitTransitions: Family<Counter, 'deployment' | 'to'>
  /** Calls of this process under way. */
  readonly deploymentInFlight: Family<Gauge, 'deployment'>
  /** Attempts to deliver a webhook. `outcome`: delivered, retried, failed (not wanted any more), abandoned. */
  readonly webhookDeliveries: Family<Counter, 'outcome'>
  /** HTTP requests answered. `route`: the pattern, never the path. `status`: the code. */
  readonly httpRequests: Family<Counter, 'route' | 'method' | 'status'>
  readonly httpRequestSeconds: Family<Histogram, 'route'>
  /** Event streams open to readers. */
  readonly openStreams: Family<Gauge, 'dialect'>
}

/** Defines inferq's metrics on a registry. Once per registry: a second call throws. */
export function createInferqMetrics(metrics: Metrics): InferqMetrics {
  return {
    jobs: metrics.counter({
      name: 'inferq_jobs_total',
      help: 'Jobs that reached a terminal state',
      labels: ['model_class', 'model', 'type', 'outcome'],
    }),
    jobFailures: metrics.counter({
      name: 'inferq_job_failures_total',
      help: 'Jobs that ended as failed, by the code of their error',
      labels: ['model_class', 'code'],
    }),
    jobQueueSeconds: metrics.histogram({
      name: 'inferq_job_queue_seconds',
      help: 'Time from accepting a job to the start of its first attempt',
      labels: ['model_class', 'type'],
      buckets: waitBuckets,
    }),
    jobDurationSeconds: metrics.histogram({
      name: 'inferq_job_duration_seconds',
      help: 'Time from accepting a job to its terminal state',
      labels: ['model_class', 'type', 'outcome'],
      buckets: secondsBuckets,
    }),
    timeToFirstTokenSeconds: metrics.histogram({
      name: 'inferq_time_to_first_token_seconds',
      help: 'Time from the start of an attempt to its first token',
      labels: ['model_class', 'model'],
      buckets: secondsBuckets,
    }),
    tokens: metrics.counter({
      name: 'inferq_tokens_total',
      help: 'Tokens read and generated',
      labels: ['model_class', 'model', 'direction'],
    }),
    queueDepth: metrics.gauge({ name: 'inferq_queue_depth', help: 'Jobs that wait', labels: ['model_class'] }),
    queueOldestSeconds: metrics.gauge({
      name: 'inferq_queue_oldest_seconds',
      help: 'Age of the oldest waiting job',
      labels: ['model_class'],
    }),
    requeues: metrics.counter({
      name: 'inferq_requeues_total',
      help: 'Jobs put back without counting a failure',
      labels: ['model_class', 'reason'],
    }),
    attempts: metrics.counter({
      name: 'inferq_attempts_total',
      help: 'Attempts that ended',
      labels: ['model_class', 'deployment', 'outcome'],
    }),
    spendUsd: metrics.counter({
      name: 'inferq_spend_usd_total',
      help: 'Cost of upstream calls, in USD',
      labels: ['model'],
    }),
    unpricedCalls: metrics.counter({
      name: 'inferq_unpriced_calls_total',
      help: 'Upstream calls whose price is not known',
      labels: ['model'],
    }),
    variants: metrics.counter({
      name: 'inferq_variant_attempts_total',
      help: 'Attempts of requests that a split has sent to a variant',
      labels: ['rule', 'variant', 'outcome'],
    }),
    workerInFlight: metrics.gauge({
      name: 'inferq_worker_in_flight',
      help: 'Jobs this worker is running',
      labels: ['model_class'],
    }),
    workerLimit: metrics.gauge({
      name: 'inferq_worker_limit',
      help: 'Jobs this worker may run at once',
      labels: ['model_class'],
    }),
    gateChanges: metrics.counter({
      name: 'inferq_gate_changes_total',
      help: 'Changes of the number of jobs a worker may run at once, by reason',
      labels: ['model_class', 'reason'],
    }),
    backendMetricsUnreadable: metrics.counter({
      name: 'inferq_backend_metrics_unreadable_total',
      help: 'Looks at the load of a backend that found none',
      labels: ['model_class'],
    }),
    modelSwaps: metrics.counter({
      name: 'inferq_model_swaps_total',
      help: 'Changes of the model whose turn it is, at backends that cannot hold all of theirs, by model class',
      labels: ['from', 'to'],
    }),
    handovers: metrics.counter({
      name: 'inferq_handovers_total',
      help: 'Jobs that were offered to the worker that served their conversation, by its reply',
      labels: ['model_class', 'reply'],
    }),
    consumerRecreations: metrics.counter({
      name: 'inferq_consumer_recreations_total',
      help: 'Consumers of a queue that fetched nothing of a backlog, and were made anew',
      labels: ['model_class'],
    }),
    deploymentCircuit: metrics.gauge({
      name: 'inferq_deployment_circuit',
      help: 'Circuit of a deployment: 0 closed, 1 half open, 2 open',
      labels: ['deployment'],
    }),
    circuitTransitions: metrics.counter({
      name: 'inferq_circuit_transitions_total',
      help: 'Changes of circuits',
      labels: ['deployment', 'to'],
    }),
    deploymentInFlight: metrics.gauge({
      name: 'inferq_deployment_in_flight',
      help: 'Calls of this process to a deployment under way',
      labels: ['deployment'],
    }),
    webhookDeliveries: metrics.counter({
      name: 'inferq_webhook_deliveries_total',
      help: 'Attempts to deliver a webhook, by what follows',
      labels: ['outcome'],
    }),
    httpRequests: metrics.counter({
      name: 'inferq_http_requests_total',
      help: 'HTTP requests answered',
      labels: ['route', 'method', 'status'],
    }),
    httpRequestSeconds: metrics.histogram({
      name: 'inferq_http_request_seconds',
      help: 'Time from the head of a request to the end of its answer',
      labels: ['route'],
      buckets: secondsBuckets,
    }),
    openStreams: metrics.gauge({
      name: 'inferq_open_streams',
      help: 'Event streams open to readers',
      labels: ['dialect'],
    }),
  }
}
