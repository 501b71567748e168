import type { Model } from './models.ts'

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

interface Family {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly value: (model: Model) => number
  readonly labels?: string
}

// Names, types and labels as vLLM exports them.
const families: readonly Family[] = [
  {
    name: 'vllm:num_requests_running',
    type: 'gauge',
    help: 'Number of requests in model execution batches.',
    value: ({ capacity }) => capacity.running,
  },
  {
    name: 'vllm:num_requests_waiting',
    type: 'gauge',
    help: 'Number of requests waiting to be processed.',
    value: ({ capacity }) => capacity.waiting,
  },
  {
    name: 'vllm:kv_cache_usage_perc',
    type: 'gauge',
    help: 'KV-cache usage. 1 means 100 percent usage.',
    value: ({ capacity }) => capacity.kvUsage,
  },
  {
    name: 'vllm:num_preemptions_total',
    type: 'counter',
    help: 'Cumulative number of preemption from the engine.',
    value: ({ capacity }) => capacity.preemptions,
  },
  {
    name: 'vllm:prompt_tokens_total',
    type: 'counter',
    help: 'Number of prefill tokens processed.',
    value: ({ counters }) => counters.promptTokens,
  },
  {
    name: 'vllm:generation_tokens_total',
    type: 'counter',
    help: 'Number of generation tokens processed.',
    value: ({ counters }) => counters.generatedTokens,
  },
  {
    name: 'vllm:request_success_total',
    type: 'counter',
    help: 'Count of successfully processed requests.',
    value: ({ counters }) => counters.completed,
    labels: 'finished_reason="stop",',
  },
]

/** vLLM's metrics in Prometheus' text form. */
export function renderMetrics(models: readonly Model[]): string {
  let text = ''
  for (const { name, type, help, value, labels = '' } of families) {
    text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`
    for (const model of models) {
      text += `${name}{engine="0",${labels}model_name="${escapeLabel(model.name)}"} ${number(value(model))}\n`
    }
  }
  return text
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function number(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value)
}
