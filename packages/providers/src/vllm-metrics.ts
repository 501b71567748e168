import { malformed } from './json.ts'
import type { EngineLoad } from './port.ts'

/** Where vLLM tells its metrics: beside the API, which is below `/v1`. */
export function metricsPath(baseUrl: string): string {
  return `${new URL(baseUrl).pathname.replace(/\/+$/, '').replace(/\/v1$/, '')}/metrics`
}

/** Of vLLM, with the names of versions before 0.9 as well. https://docs.vllm.ai/en/latest/usage/metrics.html */
const meanings: Readonly<Record<string, keyof Omit<EngineLoad, 'model'>>> = {
  'vllm:num_requests_waiting': 'waiting',
  'vllm:num_requests_running': 'running',
  'vllm:kv_cache_usage_perc': 'kvUsage',
  'vllm:gpu_cache_usage_perc': 'kvUsage',
  'vllm:num_preemptions_total': 'preemptions',
  'vllm:num_preemptions': 'preemptions',
}

/**
 * The load of each model in Prometheus' text form; of several engines behind one server requests are added up, and the fullest cache
 * counts. Throws InferqError `upstream_malformed` when there is no load of vLLM in it.
 */
export function parseVllmMetrics(text: string): readonly EngineLoad[] {
  const byModel = new Map<string, Partial<Record<keyof Omit<EngineLoad, 'model'>, number>>>()
  for (const line of text.split('\n')) {
    const sample = parseSample(line)
    if (sample === undefined) continue
    const { meaning, model, value } = sample
    const load = byModel.get(model) ?? {}
    byModel.set(model, load)
    const known = load[meaning] ?? 0
    load[meaning] = meaning === 'kvUsage' ? Math.max(known, value) : known + value
  }
  const loads = [...byModel].flatMap(([model, { waiting, running, kvUsage, preemptions = 0 }]) =>
    waiting === undefined || running === undefined ? [] : [{ model, waiting, running, kvUsage, preemptions }],
  )
  if (loads.length === 0) throw malformed('The upstream tells no load of vLLM.')
  return loads
}

interface Sample {
  readonly meaning: keyof Omit<EngineLoad, 'model'>
  readonly model: string
  readonly value: number
}

/** Undefined: a comment, another metric, or no number. */
function parseSample(line: string): Sample | undefined {
  if (!line.startsWith('vllm:')) return undefined
  const nameEnd = line.search(/[{ ]/)
  const name = line.slice(0, nameEnd)
  const meaning = Object.hasOwn(meanings, name) ? meanings[name] : undefined
  if (meaning === undefined) return undefined
  const labelsEnd = line.lastIndexOf('}') + 1
  const [text = ''] = line.slice(Math.max(nameEnd, labelsEnd)).trim().split(/\s+/)
  const value = Number(text)
  if (text === '' || !Number.isFinite(value) || value < 0) return undefined
  const label = /[{,]\s*model_name="((?:[^"\\]|\\.)*)"/.exec(line.slice(nameEnd, labelsEnd))?.[1] ?? ''
  const model = label.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  return { meaning, model, value }
}
