import type { Deployment } from '@inferq/config'
import { type EndPayload, isTerminalKind, type JobSpec, statusOfTerminalKind } from '@inferq/contracts'
import { createId } from '@inferq/runtime'
import { cancelJob } from './cancel.ts'
import type { IngressCore } from './dependencies.ts'
import { errorOfEnd } from './job-end.ts'
import { buildSpec } from './job-spec.ts'
import { openAndEnqueue, toDetail } from './submit.ts'

export interface DeploymentCheck {
  readonly deployment: Deployment
  readonly healthy: boolean
  /** From accepting the check to its end. */
  readonly latencyMs: number
  readonly errorCode?: string
  readonly error?: string
}

/** Checks of every deployment, by real jobs of the smallest size. */
export interface DeploymentChecks {
  /** Those of a model, or all. Results are kept for a while; whoever asks meanwhile gets the same. */
  run(model: string | undefined): Promise<readonly DeploymentCheck[]>
}

/** Its usage is booked on this owner. */
const owner = 'inferq-health'
const checksAtOnce = 16
const keptMs = 10_000

/**
 * A check is a job like any other, for one deployment alone, so it shows what a client would meet: that a worker serves the
 * class, reaches the backend, and gets an answer. The ingress itself calls nobody.
 */
export function createDeploymentChecks(core: () => IngressCore): DeploymentChecks {
  const kept = new Map<string, { readonly at: number; readonly result: Promise<DeploymentCheck> }>()

  const check = (deployment: Deployment): Promise<DeploymentCheck> => {
    const now = core().clock.now()
    const known = kept.get(deployment.id)
    const { background, intervalSeconds } = core().config().healthChecks
    if (known !== undefined && now - known.at < (background ? intervalSeconds * 1000 : keptMs)) return known.result
    const result = checkDeployment(core(), deployment)
    kept.set(deployment.id, { at: now, result })
    return result
  }

  return {
    async run(model) {
      const { deployments } = core().config()
      const known = new Set(deployments.map(({ id }) => id))
      for (const id of kept.keys()) if (!known.has(id)) kept.delete(id)
      // What a wildcard stands for is not known before somebody asks for it.
      const asked = deployments.filter(
        (one) => !one.model.includes('*') && (model === undefined || one.model === model),
      )
      const results: DeploymentCheck[] = []
      const rest = asked.entries()
      const lane = async (): Promise<void> => {
        for (const [place, deployment] of rest) results[place] = await check(deployment)
      }
      await Promise.all(Array.from({ length: Math.min(checksAtOnce, asked.length) }, lane))
      return results
    },
  }
}

async function checkDeployment(core: IngressCore, deployment: Deployment): Promise<DeploymentCheck> {
  const { clock, follower } = core
  const timeoutMs = core.config().healthChecks.timeoutSeconds * 1000
  const spec = specOf(deployment, clock.now(), timeoutMs)
  const settled = Promise.withResolvers<Pick<DeploymentCheck, 'healthy' | 'errorCode' | 'error'>>()
  const fail = (error: { readonly code: string; readonly message: string }): void =>
    settled.resolve({ healthy: false, errorCode: error.code, error: error.message })
  const following = follower.follow(spec.id, {
    after: null,
    attached: true,
    onEntries(entries) {
      const last = entries.at(-1)
      if (last === undefined || !isTerminalKind(last.kind)) return true
      const status = statusOfTerminalKind(last.kind)
      if (status === 'completed') settled.resolve({ healthy: true })
      else fail(errorOfEnd(status, JSON.parse(last.payload) as EndPayload))
      return true
    },
    onLost: () => fail({ code: 'service_unavailable', message: 'The queue lost sight of the check.' }),
  })
  const cancelTimer = clock.after(timeoutMs, () => {
    fail({
      code: 'upstream_timeout',
      message: `No answer within ${timeoutMs / 1000} s, or no worker serves its class.`,
    })
    core.background.run('cancel', cancelJob(core, spec.id))
  })
  openAndEnqueue(core, spec, follower.watcher).catch((thrown: unknown) => fail(toDetail(thrown)))
  try {
    const result = await settled.promise
    return { deployment, ...result, latencyMs: clock.now() - spec.createdAt }
  } finally {
    cancelTimer()
    following.close()
    core.tokenLog.discard(spec.id)
  }
}

function specOf(deployment: Deployment, now: number, timeoutMs: number): JobSpec {
  const { id, model, mode } = deployment
  const isEmbedding = mode === 'embedding'
  return buildSpec({
    id: createId('job'),
    operation: isEmbedding ? 'embeddings' : 'chat',
    // Some refuse a bound below 16 tokens.
    request: isEmbedding
      ? { model, input: 'ping' }
      : { model, messages: [{ role: 'user', content: 'ping' }], max_tokens: 16 },
    model,
    candidates: [{ model, class: deployment.class, deployments: [id] }],
    route: { strategy: 'simple-shuffle', reason: 'a health check' },
    owner,
    share: { tenant: owner, weight: 1, tokens: 20 },
    tier: 'priority',
    mode: 'interactive',
    keepResult: false,
    now,
    startWithinMs: timeoutMs,
    finishWithinMs: timeoutMs,
    metadata: {},
    requestId: createId('req'),
  })
}
