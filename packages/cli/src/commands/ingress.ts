import { resolve } from 'node:path'
import { composeIngress } from '@inferq/ingress'
import { createService, createServiceGroup, createSystemClock, reportReady, runUntilSignal } from '@inferq/runtime'
import { createStore } from '@inferq/store'
import { createMetrics } from '@inferq/telemetry'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { resolveMasterKey } from '../master-key.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { loadConfigWithModels } from '../models.ts'
import { checkPort } from '../port.ts'
import { readSettings, requireDatabaseUrl, requireRedisUrl } from '../settings.ts'

export interface IngressCommandOptions {
  readonly port?: number
  readonly host?: string
  readonly config?: string
}

/** One ingress until it is told to stop. The database has to be migrated before. */
export async function runIngress(options: IngressCommandOptions, context: CommandContext): Promise<number> {
  const settings = readSettings(context.variables)
  const host = options.host ?? settings.host
  const port = options.port ?? settings.port
  const redisUrl = requireRedisUrl(settings)
  const { config } = await loadConfigWithModels(options.config ?? settings.configFile, context.variables)
  const databaseUrl = requireDatabaseUrl(settings, config.databaseUrl)
  const masterKey = resolveMasterKey(config, host, resolve(settings.dataDir))
  await checkPort(host, port)

  const clock = createSystemClock()
  const log = createServiceLogger('ingress', settings)
  const store = createStore({ url: databaseUrl, log })
  const metrics = createMetrics()
  const ingress = composeIngress({
    config: () => config,
    listen: { host, port },
    redisUrl,
    store,
    clock,
    log,
    metrics,
    ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
    ...(masterKey.kind === 'development' ? { masterKey: masterKey.value } : {}),
  })
  const records = createService({ name: 'store', start: () => store.ping(), stop: () => store.close() })
  const group = createServiceGroup({ log, clock, name: 'ingress', stopTimeoutMs: 35_000 }, [
    createMetricsServer(settings, metrics),
    records,
    ingress,
  ])
  const onStarted = (): void => {
    if (config.unused.length > 0) log.warn({ keys: config.unused }, 'config-accepted-not-used')
    log.info({ url: ingress.url() }, 'listening')
    reportReady({ url: ingress.url() })
  }
  const code = await runUntilSignal(group, { log, exit: context.exit, onStarted })
  await log.flush()
  return code
}
