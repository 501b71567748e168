import type { Counter, Family, Gauge, Metrics } from './metrics.ts'

/** How a process keeps up with its configuration. */
export interface ConfigMetrics {
  /** `outcome`: loaded, unchanged, invalid, unavailable. */
  readonly reloads: Family<Counter, 'outcome'>
  /** Unix time of the last load without a fault. */
  readonly lastReloadSeconds: Family<Gauge, never>
}

/** Defines them on a registry. Once per registry: a second call throws. */
export function createConfigMetrics(metrics: Metrics): ConfigMetrics {
  return {
    reloads: metrics.counter({
      name: 'inferq_config_reloads_total',
      help: 'Times the configuration was read again',
      labels: ['outcome'],
    }),
    lastReloadSeconds: metrics.gauge({
      name: 'inferq_config_last_reload_timestamp_seconds',
      help: 'When the configuration was last read without a fault',
    }),
  }
}
