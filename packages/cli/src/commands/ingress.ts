import { join, resolve } from 'node:path'
import { composeIngress, databaseAnswerWithinMs } from '@inferq/ingress'
import { createService, createServiceGroup, createSystemClock, reportReady } from '@inferq/runtime'
import { createStore } from '@inferq/store'
import { createMetrics } from '@inferq/telemetry'
import { composeLive } from '../compose-live.ts'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { createLateService } from '../late-service.ts'
import { resolveMasterKey } from '../master-key.ts'
import { createMetricsServer } from '../metrics-server.ts'
import { loadConfigWithModels } from '../models.ts'
import { checkPort } from '../port.ts'
import { runServices } from '../run-services.ts'
import { ingressOptionsOf, readSettings, requireDatabaseUrl, requireRedisUrl } from '../settings.ts'

export interface IngressCommandOptions {
  readonly port?: number
  readonly host?: string
  readonly config?: string
}

/** What closing everything takes after the last client has left. */
const closeMs = 5_000

/** One ingress until it is told to stop. The database has to be migrated before. */
export async function runIngress(options: IngressCommandOptions, context: CommandContext): Promise<number> {
  const { variables, isTerminal } = context
  const settings = readSettings(variables)
  const host = options.host ?? settings.host
  const port = options.port ?? settings.port
  const configFile = options.config ?? settings.configFile
  const redisUrl = requireRedisUrl(settings)
  const loaded = await loadConfigWithModels(configFile, variables)
  const databaseUrl = requireDatabaseUrl(settings, loaded.config.databaseUrl)
  const masterKey = resolveMasterKey(loaded.config, host, resolve(settings.dataDir))
  await checkPort(host, port)

  const stopDelayMs = settings.stopDelaySeconds * 1000
  const stopTimeoutMs = settings.stopTimeoutSeconds * 1000
  const clock = createSystemClock()
  const log = createServiceLogger('ingress', settings)
  const store = createStore({ url: databaseUrl, log, answerWithinMs: databaseAnswerWithinMs })
  const metrics = createMetrics()
  const { live, sealer } = composeLive({
    ...{ loaded, configFile, variables, detected: loaded.detected, redisUrl, settings, clock, log, registry: metrics },
    ...{ masterKey: masterKey.value, tellOnHangup: true, isTerminal },
  })
  const ingress = createLateService('ingress', () =>
    composeIngress({
      live,
      sealer,
      listen: { host, port },
      redisUrl,
      store,
      filesDir: join(resolve(settings.dataDir), 'files'),
      clock,
      log,
      metrics,
      options: { ...ingressOptionsOf(settings), stopDelayMs },
      stopTimeoutMs,
      ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
      ...(masterKey.kind === 'development' ? { masterKey: masterKey.value } : {}),
    }),
  )
  const records = createService({ name: 'store', start: () => store.ping(), stop: () => store.close() })
  const wholeStopMs = stopDelayMs + stopTimeoutMs + closeMs
  const group = createServiceGroup({ log, clock, name: 'ingress', stopTimeoutMs: wholeStopMs }, [
    createMetricsServer(settings, metrics),
    records,
    live,
    ingress,
  ])
  const onStarted = (): void => {
    const { unused } = live.current()
    if (unused.length > 0) log.warn({ keys: unused }, 'config-accepted-not-used')
    const url = ingress.made().url()
    log.info({ url }, 'listening')
    reportReady({ url })
  }
  const code = await runServices(group, { log, context, onStarted })
  await log.flush()
  return code
}
