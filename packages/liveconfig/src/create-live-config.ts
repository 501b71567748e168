import { type ConfigResult, type Fault, formatFault, type InferqConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import { type Clock, createId, createPeriodicService, createService, errorMessage, type Log } from '@inferq/runtime'
import type { ConfigMetrics } from '@inferq/telemetry'
import type { Redis } from 'ioredis'
import { createModelOverlay, openOverlay, type SealedOverlay } from './overlay.ts'
import type { CheckResult, LiveConfig, OverlayModel, ReloadResult } from './port.ts'
import type { Sealer } from './sealer.ts'
import { createSharedTurns } from './shared-turns.ts'

export interface LiveConfigOptions {
  /** In force until the first load at the start, and after it if that finds a fault. */
  readonly initial: InferqConfig
  /** Reads file and environment, and lays these models over them. Throws when it cannot read. */
  load(models: readonly OverlayModel[]): ConfigResult | Promise<ConfigResult>
  /** For commands. */
  readonly redis: Redis
  /** For the subscription. */
  readonly subscriber: Redis
  readonly keys: RedisKeys
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: ConfigMetrics
  /** How often the overlay's version is looked at, since a message may be lost. Default 10 s. */
  readonly checkEveryMs?: number
}

/**
 * A configuration that is swapped whole. What is asked for while a load is under way waits for one more load, which all who
 * asked share.
 * While Redis is away, or has lost the overlay, the last known one counts.
 */
export function createLiveConfig(options: LiveConfigOptions): LiveConfig {
  const { load, redis, subscriber, keys, sealer, clock, log, metrics, checkEveryMs = 10_000 } = options
  const channel = keys.configChanges()
  const overlay = createModelOverlay({ redis, keys })
  const self = createId('config')
  const listeners = new Set<(config: InferqConfig, before: InferqConfig) => void>()
  let config = options.initial
  let known: SealedOverlay = { version: 0, models: [] }

  const refreshOverlay = async (): Promise<void> => {
    try {
      const found = await overlay.read()
      if (found !== null) known = found
    } catch (thrown) {
      log.warn({ error: errorMessage(thrown) }, 'config-overlay-unknown')
    }
  }

  const attempt = async (): Promise<ReloadResult> => {
    await refreshOverlay()
    const { models, faults } = openOverlay(known, sealer)
    const loaded = await tryLoad(models)
    if (loaded.kind !== 'config') return loaded
    const next = withFaults(loaded.config, faults)
    const changed = differs(next, config)
    if (changed) swap(next)
    return { kind: 'loaded', config, changed }
  }

  const tryLoad = async (models: readonly OverlayModel[]): Promise<CheckResult> => {
    try {
      return await load(models)
    } catch (thrown) {
      return { kind: 'unavailable', message: errorMessage(thrown) }
    }
  }

  const swap = (next: InferqConfig): void => {
    const before = config
    config = next
    for (const listener of listeners) {
      try {
        listener(next, before)
      } catch (thrown) {
        log.error({ error: errorMessage(thrown) }, 'config-listener-failed')
      }
    }
  }

  const announce = async (): Promise<void> => {
    // Who does not hear of it finds a changed overlay by its version; a changed file at the next telling or restart.
    await redis.publish(channel, self).catch((thrown: unknown) => {
      log.warn({ error: errorMessage(thrown) }, 'config-change-not-told')
    })
  }

  const report = (result: ReloadResult, ms: number): void => {
    const outcome = result.kind === 'loaded' ? (result.changed ? 'loaded' : 'unchanged') : result.kind
    metrics?.reloads.with({ outcome }).inc()
    switch (result.kind) {
      case 'loaded': {
        metrics?.lastReloadSeconds.with({}).set(clock.now() / 1000)
        if (!result.changed) return
        const { fingerprint, deployments, overlayFaults } = result.config
        const facts = { fingerprint: fingerprint.slice(0, 12), deployments: deployments.length, ms: Math.round(ms) }
        log.info({ ...facts, overlay: known.version }, 'config-loaded')
        if (overlayFaults.length > 0) log.warn({ faults: overlayFaults.map(formatFault) }, 'config-models-left-out')
        return
      }
      case 'invalid':
        log.error({ faults: result.faults.slice(0, maxLoggedFaults).map(formatFault) }, 'config-reload-failed')
        return
      case 'unavailable':
        log.error({ error: result.message }, 'config-reload-failed')
        return
      default:
        result satisfies never
    }
  }

  const turns = createSharedTurns(async (tell) => {
    const startedAt = clock.monotonic()
    const result = await attempt()
    report(result, clock.monotonic() - startedAt)
    if (tell && result.kind === 'loaded') await announce()
    return result
  })
  const reload: LiveConfig['reload'] = ({ tell = false } = {}) => turns.ask(tell)

  const onMessage = (_channel: string, sender: string): void => {
    if (sender !== self) void reload()
  }
  /** While the connection was away anything may have been told. */
  const onReconnected = (): void => void reload()

  const watch = createPeriodicService({
    name: 'config-watch',
    intervalMs: checkEveryMs,
    log,
    clock,
    async run() {
      const version = await overlay.version()
      if (version !== null && version !== known.version) await reload()
    },
  })

  const service = createService({
    name: 'config',
    async start() {
      await subscriber.subscribe(channel)
      subscriber.on('message', onMessage)
      subscriber.on('ready', onReconnected)
      await reload()
      await watch.start()
    },
    async stop(deadline) {
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReconnected)
      await watch.stop(deadline)
      await turns.idle()
      if (subscriber.status === 'ready') await subscriber.unsubscribe(channel).catch((): number => 0)
    },
  })

  return {
    ...service,
    current: () => config,
    onChange(listener) {
      const own: typeof listener = (next, before) => listener(next, before)
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    reload,
    check: tryLoad,
  }
}

/** The rest says the same thing again. */
const maxLoggedFaults = 50

function withFaults(config: InferqConfig, faults: readonly Fault[]): InferqConfig {
  if (faults.length === 0) return config
  return Object.freeze({ ...config, overlayFaults: Object.freeze([...faults, ...config.overlayFaults]) })
}

function differs(next: InferqConfig, before: InferqConfig): boolean {
  if (next.fingerprint !== before.fingerprint) return true
  return JSON.stringify(next.overlayFaults) !== JSON.stringify(before.overlayFaults)
}
