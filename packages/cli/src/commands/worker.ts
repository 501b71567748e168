import type { InferqConfig } from '@inferq/config'
import { createServiceGroup, createSystemClock, reportReady } from '@inferq/runtime'
import { createMetrics } from '@inferq/telemetry'
import { composeWorker } from '@inferq/worker'
import { composeLive } from '../compose-live.ts'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { createLateService } from '../late-service.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { loadConfigWithModels } from '../models.ts'
import { runServices } from '../run-services.ts'
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
  const { variables, isTerminal } = context
  const settings = readSettings(variables)
  const redisUrl = requireRedisUrl(settings)
  const configFile = options.config ?? settings.configFile
  const loaded = await loadConfigWithModels(configFile, variables)
  const log = createServiceLogger('worker', settings)
  const clock = createSystemClock()
  const metrics = createMetrics()
  const { live } = composeLive({
    ...{ loaded, configFile, variables, detected: loaded.detected, redisUrl, settings, clock, log, registry: metrics },
    ...{ tellOnHangup: false, isTerminal, adjust: withDrain(options.drain) },
  })
  // Only with the models added at run time are all classes known.
  const worker = createLateService('worker', () => {
    checkClasses(options.classes, Object.keys(live.current().classes))
    return composeWorker({
      live,
      redisUrl,
      clock,
      log,
      metrics,
      ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
      ...(options.classes === undefined ? {} : { classes: options.classes }),
      ...(options.gpu === undefined ? {} : { gpu: options.gpu }),
    })
  })
  const stopTimeoutMs = (live.current().workers.drainSeconds + 10) * 1000
  const group = createServiceGroup({ log, clock, name: 'worker', stopTimeoutMs }, [
    createMetricsServer(settings, metrics),
    live,
    worker,
  ])
  const code = await runServices(group, { log, context, onStarted: () => reportReady() })
  await log.flush()
  return code
}

function withDrain(drainSeconds: number | undefined): (config: InferqConfig) => InferqConfig {
  if (drainSeconds === undefined) return (config) => config
  return (config) => ({ ...config, workers: { ...config.workers, drainSeconds } })
}

function checkClasses(asked: readonly string[] | undefined, known: readonly string[]): void {
  const unknown = asked?.filter((name) => !known.includes(name)) ?? []
  if (unknown.length === 0) return
  const message = `no model of the configuration has the class ${unknown.join(', ')}`
  throw new CommandError(exitCodes.configInvalid, message, `the classes are: ${known.join(', ')}`)
}
