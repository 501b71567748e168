import { composeController } from '@inferq/controller'
import { createServiceGroup, createSystemClock, reportReady } from '@inferq/runtime'
import { createInferqMetrics, createMetrics } from '@inferq/telemetry'
import { composeLive } from '../compose-live.ts'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { loadConfigAtStart } from '../load-config.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { runServices } from '../run-services.ts'
import { readSettings, requireDatabaseUrl, requireRedisUrl } from '../settings.ts'

const stopTimeoutMs = 35_000

/** One controller until it is told to stop. Its start migrates the database. */
export async function runController(options: { readonly config?: string }, context: CommandContext): Promise<number> {
  const { variables, isTerminal } = context
  const settings = readSettings(variables)
  const redisUrl = requireRedisUrl(settings)
  const configFile = options.config ?? settings.configFile
  const loaded = loadConfigAtStart({ file: configFile, variables })
  const databaseUrl = requireDatabaseUrl(settings, loaded.config.databaseUrl)

  const log = createServiceLogger('controller', settings)
  const clock = createSystemClock()
  const registry = createMetrics()
  const { live, sealer } = composeLive({
    ...{ loaded, configFile, variables, detected: [], redisUrl, settings, clock, log, registry },
    ...{ tellOnHangup: false, isTerminal },
  })
  const controller = composeController({
    config: () => live.current(),
    sealer,
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
    live,
    controller,
  ])
  const code = await runServices(group, { log, context, onStarted: () => reportReady() })
  await log.flush()
  return code
}
