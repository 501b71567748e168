import type { Deployment, InferqConfig } from '@inferq/config'
import type { EngineLoad } from '@inferq/providers'
import type { Upstreams } from '../upstreams.ts'
import type { Load } from './decide-limit.ts'

/** What the backends of a class say together. */
export interface ClassLoad extends Load {
  /** Since they started. */
  readonly preemptions: number
}

/** Whether a class has a backend that tells its load. Embeddings take none of what it tells. */
export function tellsLoad(config: InferqConfig, modelClass: string): boolean {
  return tellersOf(config, modelClass).length > 0
}

/**
 * One look at the loads of classes: each backend is asked once, however many classes it serves. Undefined: none of the backends
 * of the class could be read.
 */
export function createLook(
  config: InferqConfig,
  upstreams: Upstreams,
  signal: AbortSignal,
): (modelClass: string) => Promise<ClassLoad | undefined> {
  const asked = new Map<string, Promise<readonly EngineLoad[]>>()

  const ask = async (deployment: Deployment): Promise<readonly EngineLoad[]> => {
    const lease = upstreams.lease(deployment)
    try {
      return (await lease.ungathered.readLoad?.(signal)) ?? []
    } catch {
      return []
    } finally {
      lease.release()
    }
  }

  const read = async (deployment: Deployment): Promise<readonly EngineLoad[]> => {
    const answer = asked.get(deployment.baseUrl) ?? ask(deployment)
    asked.set(deployment.baseUrl, answer)
    const loads = await answer
    const own = loads.filter(({ model }) => model === deployment.upstreamModel)
    // Adapters are told under the model they belong to.
    return own.length > 0 ? own : loads
  }

  return async (modelClass) => {
    const loads = await Promise.all(tellersOf(config, modelClass).map(read))
    return together(loads.flat())
  }
}

function tellersOf(config: InferqConfig, modelClass: string): readonly Deployment[] {
  const tellers = config.deployments.filter(
    (one) => one.class === modelClass && one.wire === 'vllm' && one.mode !== 'embedding',
  )
  return [...new Map(tellers.map((one) => [`${one.baseUrl} ${one.upstreamModel}`, one])).values()]
}

/** Of several backends the busiest decides, since jobs are spread over all. */
function together(loads: readonly EngineLoad[]): ClassLoad | undefined {
  if (loads.length === 0) return undefined
  const usages = loads.flatMap(({ kvUsage }) => (kvUsage === undefined ? [] : [kvUsage]))
  const sum = (of: 'running' | 'preemptions'): number => loads.reduce((total, load) => total + load[of], 0)
  return {
    waiting: Math.max(...loads.map(({ waiting }) => waiting)),
    running: sum('running'),
    kvUsage: usages.length === 0 ? undefined : Math.max(...usages),
    preemptions: sum('preemptions'),
  }
}
