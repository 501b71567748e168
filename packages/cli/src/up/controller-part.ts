import { type Clock, createService, type Service, type ServiceGroup } from '@inferq/runtime'
import type { InferqMetrics, Logger, Metrics } from '@inferq/telemetry'
import type { IngressNeeds } from './ingress-part.ts'

export interface ControllerPartOptions {
  readonly namespace: string | undefined
  /** Awaited first: what the controller needs has to be there. */
  readonly needs: () => Promise<IngressNeeds>
  readonly clock: Clock
  readonly log: Logger
  readonly registry: Metrics
  readonly inferqMetrics: InferqMetrics
}

/** The controller in this process. Its modules are loaded while others start. */
export function createControllerPart(options: ControllerPartOptions): Service {
  const { namespace, clock, log, registry, inferqMetrics } = options
  let controller: ServiceGroup | undefined
  return createService({
    name: 'controller',
    async start() {
      const [{ composeController }, needs] = await Promise.all([import('@inferq/controller'), options.needs()])
      const { live, sealer, redisUrl, databaseUrl } = needs
      controller = composeController({
        config: () => live.current(),
        sealer,
        redisUrl,
        databaseUrl,
        clock,
        log,
        registry,
        metrics: inferqMetrics,
        ...(namespace === undefined ? {} : { namespace }),
      })
      await controller.start()
    },
    quiet: () => controller?.quiet(),
    stop: (deadline) => controller?.stop(deadline),
  })
}
