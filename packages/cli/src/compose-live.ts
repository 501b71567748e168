import { isatty } from 'node:tty'
import type { ConfigResult, DetectedBackend, InferqConfig } from '@inferq/config'
import { createRedisKeys } from '@inferq/contracts'
import { createLiveConfig, createSealer, type LiveConfig, type Sealer } from '@inferq/liveconfig'
import {
  type Clock,
  closeRedis,
  createDeadline,
  createRedis,
  createService,
  type Log,
  whenRedisReady,
} from '@inferq/runtime'
import { createConfigMetrics, type Metrics } from '@inferq/telemetry'
import { CommandError, exitCodes } from './exit-codes.ts'
import { describeFaults, type LoadedConfig, readConfig } from './load-config.ts'
import { createConfigSharing, readSharedConfig } from './node/shared-config.ts'
import type { Settings, Variables } from './settings.ts'

export interface ComposeLiveOptions {
  /** What was read at the start. */
  readonly loaded: LoadedConfig
  /** As it was asked for: read again at every load. */
  readonly configFile: string | undefined
  readonly variables: Variables
  /** Serve where the file declares no models. */
  readonly detected: readonly DetectedBackend[]
  readonly redisUrl: string
  readonly settings: Pick<Settings, 'namespace' | 'saltKey'>
  /** Where the configuration has none: the development key. */
  readonly masterKey?: string
  /** What an option of the command says over the file. */
  readonly adjust?: (config: InferqConfig) => InferqConfig
  /**
   * This process speaks for all: on SIGHUP it tells the others too, and it leaves in Redis what workers without a file
   * need.
   */
  readonly tellOnHangup: boolean
  /** There is no file here: what an ingress has left in Redis is the configuration. */
  readonly fromShared?: boolean
  /** Somebody looked at standard error at the start: a hangup may mean that the terminal is gone. */
  readonly isTerminal: boolean
  readonly clock: Clock
  readonly log: Log
  readonly registry?: Metrics
}

export interface ComposedLive {
  /**
   * With its connections. Started, it has read the models added at run time; the start throws CommandError 3 when a
   * provisional configuration stays at fault with them. Reads again on SIGHUP.
   */
  readonly live: LiveConfig
  readonly sealer: Sealer
}

const connectTimeoutMs = 10_000
const cleanUpMs = 5_000

/** The configuration of a process, as it changes. */
export function composeLive(options: ComposeLiveOptions): ComposedLive {
  const { loaded, configFile, variables, detected, redisUrl, settings, clock, log, registry } = options
  const { adjust = (config: InferqConfig) => config } = options
  const connection = { url: redisUrl, name: 'inferq-config', log, clock, overrides: { lazyConnect: true } }
  const redis = createRedis({ ...connection, role: 'command' })
  const subscriber = createRedis({ ...connection, role: 'subscriber' })
  const sealer = createSealer(settings.saltKey ?? loaded.config.masterKey ?? options.masterKey)
  const keys = createRedisKeys(settings.namespace)
  const live = createLiveConfig({
    initial: adjust(loaded.config),
    async load(overlay): Promise<ConfigResult> {
      if (options.fromShared) return { kind: 'config', config: adjust(await readSharedConfig({ redis, keys, sealer })) }
      const { result } = readConfig({ file: configFile, variables, detected, overlay })
      return result.kind === 'config' ? { kind: 'config', config: adjust(result.config) } : result
    },
    redis,
    subscriber,
    keys,
    sealer,
    clock,
    log,
    ...(registry === undefined ? {} : { metrics: createConfigMetrics(registry) }),
  })

  // What it shares is sealed: the key is made while others start.
  if (options.tellOnHangup) sealer.prepare().catch((): void => {})
  const sharing = options.tellOnHangup ? createConfigSharing({ live, redis, keys, sealer, clock, log }) : undefined

  const onHangup = (): void => {
    if (options.isTerminal && !isatty(2)) {
      // The terminal is gone, and with it whoever would have stopped this process.
      process.kill(process.pid, 'SIGTERM')
      return
    }
    log.info({ signal: 'SIGHUP' }, 'config-reload-asked')
    void live.reload({ tell: options.tellOnHangup })
  }
  const close = async (): Promise<void> => {
    process.off('SIGHUP', onHangup)
    await Promise.all([closeRedis(redis), closeRedis(subscriber)])
  }
  const service = createService({
    name: 'config',
    async start() {
      process.on('SIGHUP', onHangup)
      try {
        const all = [redis, subscriber]
        // What keeps one from connecting is told by whenRedisReady.
        for (const one of all) one.connect().catch((): void => {})
        await Promise.all(all.map((one) => whenRedisReady(one, { timeoutMs: connectTimeoutMs, clock })))
        await live.start()
        if (loaded.isProvisional) await insist(live)
        await sharing?.start()
      } catch (thrown) {
        const deadline = createDeadline(clock, { timeoutMs: cleanUpMs, what: 'closing' })
        await live.stop(deadline)
        deadline.release()
        await close()
        throw thrown
      }
    },
    async stop(deadline) {
      await sharing?.stop(deadline)
      await live.stop(deadline)
      await close()
    },
  })
  return { live: { ...live, ...service }, sealer }
}

/** With the models added at run time known, the configuration has no more excuse. */
async function insist(live: LiveConfig): Promise<void> {
  const result = await live.reload()
  if (result.kind === 'invalid') throw new CommandError(exitCodes.configInvalid, describeFaults(result.faults))
  if (result.kind === 'unavailable') throw new CommandError(exitCodes.configInvalid, result.message)
}
