import type { Deployment } from '@inferq/config'
import { createProvider, type Provider } from '@inferq/providers'

/** The providers of a worker's deployments, each made when it is first called. */
export interface Upstreams {
  of(deployment: Deployment): Provider
  close(): Promise<void>
}

export function createUpstreams(): Upstreams {
  const providers = new Map<string, Provider>()
  return {
    of(deployment) {
      let provider = providers.get(deployment.id)
      if (provider === undefined) {
        provider = createProvider({
          id: deployment.id,
          provider: deployment.provider,
          model: deployment.upstreamModel,
          baseUrl: deployment.baseUrl,
          ...(deployment.apiKey === undefined ? {} : { apiKey: deployment.apiKey }),
          headers: deployment.headers,
          defaults: deployment.defaults,
          options: deployment.options,
          timeouts: {
            connectMs: deployment.timeouts.connectMs,
            firstTokenMs: deployment.timeouts.firstTokenMs,
            idleMs: deployment.timeouts.idleMs,
            responseMs: deployment.timeouts.totalMs,
          },
        })
        providers.set(deployment.id, provider)
      }
      return provider
    },
    async close() {
      await Promise.all([...providers.values()].map((provider) => provider.close()))
      providers.clear()
    },
  }
}
