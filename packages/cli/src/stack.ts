import { createService, type Service } from '@inferq/runtime'

/**
 * Services that start at the same time, each waiting in its own `start` for those it needs, and stop one after the other
 * in reverse order. When one cannot start, those that can are stopped again, and `start` rejects with what went wrong
 * first. (A service group starts one after the other, which would make the start as slow as the sum of its parts.)
 */
export function createStack(name: string, services: readonly Service[]): Service {
  const stopAll = async (deadline: Parameters<Service['stop']>[0]): Promise<void> => {
    const failures: unknown[] = []
    for (const service of services.toReversed()) {
      try {
        await service.stop(deadline)
      } catch (thrown) {
        failures.push(thrown)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  return createService({
    name,
    async start() {
      let first: { readonly reason: unknown } | undefined
      const startOne = async (service: Service): Promise<void> => {
        try {
          await service.start()
        } catch (thrown) {
          first ??= { reason: thrown }
        }
      }
      await Promise.all(services.map(startOne))
      if (first === undefined) return
      await stopAll({ signal: AbortSignal.timeout(cleanUpMs), timeoutMs: cleanUpMs }).catch(() => {})
      throw first.reason
    },
    async quiet() {
      for (const service of services.toReversed()) await service.quiet?.()
    },
    stop: stopAll,
  })
}

/** What a failed start gets to end what it had started. */
const cleanUpMs = 10_000
