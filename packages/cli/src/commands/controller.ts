import { composeController } from '@inferq/controller'
import { createServiceGroup, createSystemClock, reportReady, runUntilSignal } from '@inferq/runtime'
import { createInferqMetrics, createMetrics } from '@inferq/telemetry'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { loadConfig } from '../load-config.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { readSettings, requireDatabaseUrl, requireRedisUrl } from '../settings.ts'

const stopTimeoutMs = 35_000

/** One controller until it is told to stop. Its start migrates the database. */
export async function runController(options: { readonly config?: string }, context: CommandContext): Promise<number> {
  const settings = readSettings(context.variables)
  const redisUrl = requireRedisUrl(settings)
  const { config } = loadConfig({ file: options.config ?? settings.configFile, variables: context.variables })
  const databaseUrl = requireDatabaseUrl(settings, config.databaseUrl)

  const log = createServiceLogger('controller', settings)
  const clock = createSystemClock()
  const registry = createMetrics()
  const controller = composeController({
    config,
    redisUrl,
    databaseUrl,
    clock,
    log,
    registry,
    metrics: createInferqMetrics(registry),
    ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
  })
  const group = createServiceGroup({ log, clock, name: 'controller', stopTimeoutMs }, [
    createMetricsServer(settings, registry),
    controller,
  ])
  const code = await runUntilSignal(group, { log, exit: context.exit, onStarted: () => reportReady() })
  await log.flush()
  return code
}
