import { createServiceGroup, createSystemClock, reportReady, runUntilSignal } from '@inferq/runtime'
import { createMetrics } from '@inferq/telemetry'
import { composeWorker } from '@inferq/worker'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { loadConfigWithModels } from '../models.ts'
import { readSettings, requireRedisUrl } from '../settings.ts'

export interface WorkerOptions {
  readonly config?: string
  readonly classes?: readonly string[]
  readonly gpu?: string
  /** Seconds that running jobs get at a stop; over the configuration's. */
  readonly drain?: number
}

/** A worker until it is told to stop: it then lets its jobs end, or puts them back without counting an attempt. */
export async function runWorker(options: WorkerOptions, context: CommandContext): Promise<number> {
  const settings = readSettings(context.variables)
  const redisUrl = requireRedisUrl(settings)
  const { config } = await loadConfigWithModels(options.config ?? settings.configFile, context.variables)
  checkClasses(options.classes, Object.keys(config.classes))
  const drainSeconds = options.drain ?? config.workers.drainSeconds
  const log = createServiceLogger('worker', settings)
  const clock = createSystemClock()
  const metrics = createMetrics()
  const worker = composeWorker({
    config: { ...config, workers: { ...config.workers, drainSeconds } },
    redisUrl,
    clock,
    log,
    metrics,
    ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
    ...(options.classes === undefined ? {} : { classes: options.classes }),
    ...(options.gpu === undefined ? {} : { gpu: options.gpu }),
  })
  const stopTimeoutMs = (drainSeconds + 10) * 1000
  const group = createServiceGroup({ log, clock, name: 'worker', stopTimeoutMs }, [
    createMetricsServer(settings, metrics),
    worker,
  ])
  const code = await runUntilSignal(group, { log, exit: context.exit, onStarted: () => reportReady() })
  await log.flush()
  return code
}

function checkClasses(asked: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = asked?.filter((name) => !known.includes(name)) ?? []
  if (unknown.length === 0) return
  const message = `no model of the configuration has the class ${unknown.join(', ')}`
  throw new CommandError(exitCodes.configInvalid, message, `the classes are: ${known.join(', ')}`)
}
