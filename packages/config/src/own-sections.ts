import { isClassName } from './deployment.ts'
import type { ClassConfig, InferqConfig } from './inferq-config.ts'
import { defined, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'

type Top = ReadonlyMap<string, Tree>

/** What `classes` says of each class, and where. */
export type ClassSettings = ReadonlyMap<string, { readonly place: Tree; readonly settings: Partial<ClassConfig> }>

export function readWorkers(top: Top, reader: Reader): Partial<InferqConfig['workers']> {
  const workers = reader.sectionOf(top, 'workers', {
    acts: [
      'lock_s',
      'stalled_s',
      'max_attempts',
      'drain_s',
      'affinity_ms',
      'max_loaded_models',
      'model_dwell_s',
      'model_ageing_s',
    ],
  })
  return defined({
    lockSeconds: reader.number(workers.get('lock_s'), { min: 1, max: 3600 }),
    stalledSeconds: reader.number(workers.get('stalled_s'), { min: 1, max: 3600 }),
    maxAttempts: reader.number(workers.get('max_attempts'), { min: 1, max: 101, integer: true }),
    drainSeconds: reader.number(workers.get('drain_s'), { min: 0, max: 86_400 }),
    affinityMs: reader.number(workers.get('affinity_ms'), { min: 0, max: 2_000 }),
    maxLoadedModels: reader.number(workers.get('max_loaded_models'), { min: 1, max: 1_000, integer: true }),
    modelDwellSeconds: reader.number(workers.get('model_dwell_s'), { min: 0, max: 86_400 }),
    modelAgeingSeconds: reader.number(workers.get('model_ageing_s'), { min: 0, max: 86_400 }),
  })
}

export function readRetention(top: Top, reader: Reader): Partial<InferqConfig['retention']> {
  const retention = reader.sectionOf(top, 'retention', { acts: ['results', 'prompts', 'spend'] })
  return defined({
    resultSeconds: reader.seconds(retention.get('results')),
    promptSeconds: reader.seconds(retention.get('prompts')),
    spendSeconds: reader.seconds(retention.get('spend')),
  })
}

export function readClasses(top: Top, reader: Reader): ClassSettings {
  const classes = new Map<string, { place: Tree; settings: Partial<ClassConfig> }>()
  for (const [name, tree] of reader.names(top.get('classes')) ?? []) {
    if (!isClassName(name)) {
      reader.fault(tree, `the class name "${name.slice(0, 60)}"`, '1 to 200 printable characters without spaces')
      continue
    }
    const values = reader.section(tree, { acts: ['concurrency', 'max_queue', 'swap_cost_s', 'options'] })
    const options: Record<string, unknown> = {}
    for (const [option, value] of reader.names(values?.get('options')) ?? []) options[option] = reader.plain(value)
    const concurrency = reader.number(values?.get('concurrency'), { min: 1, max: 10_000, integer: true })
    const maxQueue = reader.number(values?.get('max_queue'), { min: 1, max: 100_000_000, integer: true })
    const swapCostSeconds = reader.number(values?.get('swap_cost_s'), { min: 0, max: 3600 })
    classes.set(name, { place: tree, settings: { ...defined({ concurrency, maxQueue, swapCostSeconds }), options } })
  }
  return classes
}

export function readBreaker(top: Top, reader: Reader): Partial<InferqConfig['breaker']> {
  const acts = ['allowed_fails', 'cooldown_s', 'failure_rate', 'min_calls', 'window_s', 'enabled']
  const breaker = reader.sectionOf(top, 'breaker', { acts })
  const count = { min: 1, max: 100_000, integer: true }
  const time = { above: 0, max: 86_400 }
  return defined({
    allowedFails: reader.number(breaker.get('allowed_fails'), count),
    cooldownSeconds: reader.number(breaker.get('cooldown_s'), time),
    failureRate: reader.number(breaker.get('failure_rate'), { above: 0, max: 1 }),
    minCalls: reader.number(breaker.get('min_calls'), count),
    windowSeconds: reader.number(breaker.get('window_s'), time),
    enabled: reader.flag(breaker.get('enabled')),
  })
}

export function readHealthChecks(top: Top, reader: Reader): Partial<InferqConfig['healthChecks']> {
  const checks = reader.sectionOf(top, 'health_checks', { acts: ['background', 'interval_s', 'timeout_s'] })
  return defined({
    background: reader.flag(checks.get('background')),
    intervalSeconds: reader.number(checks.get('interval_s'), { min: 1, max: 86_400 }),
    timeoutSeconds: reader.number(checks.get('timeout_s'), { above: 0, max: 600 }),
  })
}
