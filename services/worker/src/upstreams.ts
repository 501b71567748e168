import { type Deployment, embeddingCapsOf, familyOf } from '@inferq/config'
import { createProvider, type Provider } from '@inferq/providers'
import { gatherEmbeddings } from './embedding-batches/gather-embeddings.ts'

/** The providers of a worker's deployments, each made when it is first called. */
export interface Upstreams {
  /** The provider of a deployment as it is configured now; to be released when the call is over. */
  lease(deployment: Deployment): UpstreamLease
  /** Closes providers of deployments that are not among these (any more), as soon as their calls are over. */
  retain(deployments: readonly Deployment[]): void
  close(): Promise<void>
}

export interface UpstreamLease {
  /** Makes one call for the embeddings of several jobs. */
  readonly provider: Provider
  /** The same, but each call goes by itself. */
  readonly ungathered: Provider
  release(): void
}

interface Entry {
  readonly provider: Provider
  readonly ungathered: Provider
  /** What it was made of, secrets included; never printed. */
  readonly recipe: string
  leases: number
  retired: boolean
}

export function createUpstreams(onCloseFailed: (error: unknown) => void = () => {}): Upstreams {
  const current = new Map<string, Entry>()
  const closing = new Set<Promise<void>>()

  const dispose = (entry: Entry): void => {
    const closed = entry.provider.close().catch(onCloseFailed)
    closing.add(closed)
    void closed.then(() => closing.delete(closed))
  }

  const retire = (id: string, entry: Entry): void => {
    current.delete(id)
    entry.retired = true
    if (entry.leases === 0) dispose(entry)
  }

  const entryOf = (deployment: Deployment): Entry => {
    const known = current.get(deployment.id)
    // Most often the very configuration it was made of.
    if (known !== undefined && recipes.get(deployment) === known.recipe) return known
    const recipe = recipeOf(deployment)
    if (known !== undefined) {
      if (known.recipe === recipe) return known
      retire(deployment.id, known)
    }
    const ungathered = createProvider(upstreamOf(deployment))
    const provider = gathered(ungathered, deployment)
    const entry: Entry = { provider, ungathered, recipe, leases: 0, retired: false }
    current.set(deployment.id, entry)
    return entry
  }

  return {
    lease(deployment) {
      const entry = entryOf(deployment)
      entry.leases += 1
      let released = false
      return {
        provider: entry.provider,
        ungathered: entry.ungathered,
        release() {
          if (released) return
          released = true
          entry.leases -= 1
          if (entry.retired && entry.leases === 0) dispose(entry)
        },
      }
    },
    retain(deployments) {
      const byId = new Map(deployments.map((deployment) => [deployment.id, deployment]))
      for (const [id, entry] of [...current]) {
        const deployment = byId.get(id)
        if (deployment === undefined || recipeOf(deployment) !== entry.recipe) retire(id, entry)
      }
    },
    async close() {
      for (const { provider } of current.values()) closing.add(provider.close().catch(onCloseFailed))
      current.clear()
      await Promise.all(closing)
    },
  }
}

const recipes = new WeakMap<Deployment, string>()

/** Everything that a provider is made of, as one text: equal when the provider would be. */
function recipeOf(deployment: Deployment): string {
  let recipe = recipes.get(deployment)
  if (recipe === undefined) {
    recipe = JSON.stringify([upstreamOf(deployment), embeddingCapsOf(deployment)])
    recipes.set(deployment, recipe)
  }
  return recipe
}

function gathered(provider: Provider, deployment: Deployment): Provider {
  const caps = embeddingCapsOf(deployment)
  if (caps === null) return provider
  // Somebody else's service may want to know who asks; a server in the house has no use for it.
  const ignoredFields = familyOf(deployment.provider)?.isLocal === true ? ['user', 'metadata'] : []
  return gatherEmbeddings(provider, { caps, ignoredFields })
}

function upstreamOf(deployment: Deployment): Parameters<typeof createProvider>[0] {
  const { timeouts } = deployment
  return {
    id: deployment.id,
    provider: deployment.provider,
    wire: deployment.wire,
    model: deployment.upstreamModel,
    baseUrl: deployment.baseUrl,
    ...(deployment.apiKey === undefined ? {} : { apiKey: deployment.apiKey }),
    credentials: deployment.credentials,
    headers: deployment.headers,
    defaults: deployment.defaults,
    options: deployment.options,
    timeouts: {
      connectMs: timeouts.connectMs,
      firstTokenMs: timeouts.firstTokenMs,
      idleMs: timeouts.idleMs,
      responseMs: timeouts.totalMs,
    },
  }
}
