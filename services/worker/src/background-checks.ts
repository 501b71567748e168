import type { Deployment } from '@inferq/config'
import { InferqError, type RedisKeys } from '@inferq/contracts'
import type { DeploymentHealth } from '@inferq/health'
import type { LiveConfig } from '@inferq/liveconfig'
import type { Router } from '@inferq/routing'
import { type Clock, createPeriodicService, type Log, type Redis, type Service } from '@inferq/runtime'
import type { Upstreams } from './upstreams.ts'

export interface BackgroundCheckOptions {
  /** Undefined: of every class. */
  readonly classes: readonly string[] | undefined
  readonly live: LiveConfig
  readonly health: DeploymentHealth
  readonly upstreams: Upstreams
  router(): Router
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  readonly log: Log
}

/** How often it looks whether a check is due. */
const tickMs = 5_000
const checksAtOnce = 8

/**
 * Where the configuration asks for it, calls each deployment of the worker's classes with the smallest request there is,
 * once in an interval over all workers, and tells its circuit: an upstream that is back is found before a client finds it.
 */
export function createBackgroundChecks(options: BackgroundCheckOptions): Service {
  const { classes, live, health, upstreams, router, redis, keys, clock, log } = options

  /** The first worker that asks in an interval. */
  const claim = async (deployment: Deployment, intervalMs: number): Promise<boolean> =>
    (await redis.set(keys.checked(deployment.id), '1', 'PX', intervalMs, 'NX')) === 'OK'

  const check = async (deployment: Deployment, signal: AbortSignal): Promise<void> => {
    const admission = await health.admit(deployment.id)
    if (admission.kind === 'open') return
    const lease = upstreams.lease(deployment)
    const { timeoutSeconds } = live.current().healthChecks
    const either = AbortSignal.any([signal, AbortSignal.timeout(timeoutSeconds * 1000)])
    try {
      const model = router().upstreamModel(deployment, deployment.model)
      await lease.provider.probe({ mode: deployment.mode ?? 'chat', signal: either, model })
      admission.call.succeeded({ latencyMs: undefined, tokens: 0 })
    } catch (thrown) {
      if (signal.aborted) {
        admission.call.abandoned()
        return
      }
      const timedOut = {
        code: 'upstream_timeout',
        message: `No answer to a health check in ${timeoutSeconds} s.`,
      } as const
      const error = thrown instanceof InferqError ? thrown.detail : timedOut
      admission.call.failed(error)
      log.warn({ deployment: deployment.id, errorCode: error.code }, 'health-check-failed')
    } finally {
      lease.release()
    }
  }

  return createPeriodicService({
    name: 'background-checks',
    intervalMs: tickMs,
    timeoutMs: 120_000,
    clock,
    log,
    async run(signal) {
      const { deployments, healthChecks } = live.current()
      if (!healthChecks.background) return
      const ours = deployments.filter(
        // What a wildcard stands for is not known before somebody asks.
        (one) => !one.model.includes('*') && (classes === undefined || classes.includes(one.class)),
      )
      const rest = ours[Symbol.iterator]()
      const lane = async (): Promise<void> => {
        for (const deployment of rest) {
          if (signal.aborted) return
          if (await claim(deployment, healthChecks.intervalSeconds * 1000)) await check(deployment, signal)
        }
      }
      await Promise.all(Array.from({ length: Math.min(checksAtOnce, ours.length) }, lane))
    },
  })
}
