export { type ConfigMetrics, createConfigMetrics } from './config-metrics.ts'
export { createInferqMetrics, type InferqMetrics } from './inferq-metrics.ts'
export { createBufferedDestination, type LogDestination } from './log-destination.ts'
export { createLogger, type Logger, type LoggerOptions, type LogLevel } from './logger.ts'
export {
  type Counter,
  createMetrics,
  type Family,
  type Gauge,
  type Histogram,
  type MetricDefinition,
  type Metrics,
} from './metrics.ts'
