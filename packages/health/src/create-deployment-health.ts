import type { BreakerConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import {
  type Clock,
  createPeriodicService,
  createService,
  DeadlineError,
  errorMessage,
  type Log,
  orAborted,
  type Redis,
  withDeadline,
} from '@inferq/runtime'
import { createCircuitBoard } from './circuit-board.ts'
import { createMetricsWriter, type HealthMetrics } from './circuit-metrics.ts'
import { parseMessage } from './circuit-record.ts'
import { loadCircuitScripts } from './circuit-scripts.ts'
import { type Circuits, createCircuits } from './circuits.ts'
import type { DeploymentHealth } from './port.ts'
import { createSharedTime } from './shared-time.ts'
import { startCall } from './start-call.ts'
import { createStatsExchange } from './stats-exchange.ts'
import { createTraffic, type Traffic } from './traffic.ts'

export interface DeploymentHealthOptions {
  /** Commands only. */
  readonly redis: Redis
  /** A connection for subscriptions; others may share it. */
  readonly subscriber: Redis
  readonly keys: RedisKeys
  /** The rule at this moment. */
  readonly config: () => BreakerConfig
  /** The id of this process among all that call or watch deployments. */
  readonly processId: string
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: HealthMetrics
  readonly timing?: Partial<HealthTiming>
}

export interface HealthTiming {
  /** Between two turns of telling and reading. */
  readonly turnMs: number
  /** Between two readings of all circuits, whatever was published. */
  readonly refreshMs: number
  /** A probe whose process is silent for this long is taken for lost. */
  readonly probeLifetimeMs: number
  /** As is its part of the statistics. */
  readonly statsLifetimeMs: number
}

const defaultTiming: HealthTiming = { turnMs: 1_000, refreshMs: 2_000, probeLifetimeMs: 5_000, statsLifetimeMs: 10_000 }
const startTimeoutMs = 2_000

/** What all processes together know of each deployment, shared over Redis. See port.ts for the contract. */
export function createDeploymentHealth(options: DeploymentHealthOptions): DeploymentHealth {
  const { redis, subscriber, keys, config, processId, clock, log, metrics } = options
  const timing = { ...defaultTiming, ...options.timing }
  const channel = keys.circuitChanges()
  const time = createSharedTime(clock)
  const board = createCircuitBoard()
  const traffic = createTraffic()
  const writer = metrics && createMetricsWriter(metrics)
  let refreshedAt = Number.NEGATIVE_INFINITY
  let isOutOfTouch = false

  const circuits = createCircuits({
    ...{ board, time, clock, config, scripts: loadCircuitScripts(redis, keys, clock) },
    probeLifetimeMs: timing.probeLifetimeMs,
    onTransition(deployment, to, facts) {
      metrics?.circuitTransitions.with({ deployment, to }).inc()
      log[to === 'open' ? 'warn' : 'info']({ deployment, to, ...facts }, 'circuit-changed')
    },
  })
  const exchange = createStatsExchange({
    ...{ redis, keys, processId, traffic, time, clock },
    lifetimeMs: timing.statsLifetimeMs,
  })

  const refresh = async (): Promise<void> => {
    await circuits.refresh()
    refreshedAt = clock.monotonic()
  }

  /** All that needs Redis. Told first, then read: what we know must not be lost between. */
  const talk = async (): Promise<void> => {
    await Promise.all([circuits.flush(), circuits.renewProbes(), exchange.tell()])
    // A turn is never exactly as long as it should be.
    const isDue = clock.monotonic() - refreshedAt > timing.refreshMs - timing.turnMs / 2
    await Promise.all([isDue ? refresh() : undefined, exchange.read()])
  }

  const turn = async (signal: AbortSignal): Promise<void> => {
    traffic.prune(time.nowMs())
    writer?.write(circuits.notClosed(), inFlightOf(traffic))
    try {
      await orAborted(talk(), signal)
      if (isOutOfTouch) log.info({ service: 'deployment-health' }, 'health-shared-again')
      isOutOfTouch = false
    } catch (thrown) {
      if (signal.aborted && !(signal.reason instanceof DeadlineError)) return
      if (!isOutOfTouch) log.warn({ service: 'deployment-health', error: errorMessage(thrown) }, 'health-not-shared')
      isOutOfTouch = true
      refreshedAt = Number.NEGATIVE_INFINITY
    }
  }

  const turns = createPeriodicService({ name: 'deployment-health', intervalMs: timing.turnMs, log, clock, run: turn })

  const onMessage = (to: string, message: string): void => {
    if (to !== channel) return
    const news = parseMessage(message)
    if (news !== undefined) board.apply(news)
  }
  /** Changes may have been missed: the next turn reads all. */
  const onReady = (): void => {
    refreshedAt = Number.NEGATIVE_INFINITY
  }

  const service = createService({
    name: 'deployment-health',
    async start() {
      subscriber.on('message', onMessage)
      // Without a Redis, too, calls can be made: it is heard as soon as it is there.
      await withDeadline(clock, { timeoutMs: startTimeoutMs, what: 'hearing of circuits' }, async () => {
        await subscriber.subscribe(channel)
        await refresh()
      }).catch((thrown: unknown) => {
        log.warn({ service: 'deployment-health', error: errorMessage(thrown) }, 'health-not-shared')
        isOutOfTouch = true
      })
      subscriber.on('ready', onReady)
      await turns.start()
    },
    async stop(deadline) {
      await turns.stop(deadline)
      subscriber.off('message', onMessage)
      subscriber.off('ready', onReady)
      // A subscriber waits without end for a Redis that is away.
      const isHeard = subscriber.status === 'ready'
      const unsubscribed = isHeard ? subscriber.unsubscribe(channel) : undefined
      const goodbye = Promise.allSettled([circuits.flush(), exchange.leave(), unsubscribed])
      await orAborted(goodbye, deadline.signal).catch((): void => {})
    },
  })

  return {
    ...service,
    circuit: circuits.circuit,
    stats: exchange.stats,
    circuits: circuits.notClosed,
    reset: circuits.reset,
    admit(deploymentId, isAlone = false) {
      const permission = circuits.admit(deploymentId, isAlone)
      if (permission instanceof Promise) return permission.then((late) => toAdmission(deploymentId, late))
      return toAdmission(deploymentId, permission)
    },
  }

  function toAdmission(
    id: string,
    permission: Awaited<ReturnType<Circuits['admit']>>,
  ): ReturnType<DeploymentHealth['admit']> {
    if (permission.kind === 'open') return permission
    return { kind: 'admitted', call: startCall({ circuits, traffic, time, clock }, id, permission.probe) }
  }
}

function inFlightOf(traffic: Traffic): ReadonlyMap<string, number> {
  return new Map(Array.from(traffic.entries(), ([id, { inFlight }]) => [id, inFlight]))
}
