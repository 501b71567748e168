import type { Deployment } from '@inferq/config'
import type { ErrorDetail, JobRecord } from '@inferq/contracts'
import type { Admission, CallReport, DeploymentHealth } from '@inferq/health'
import { attemptsAt, nextCandidate, type Router } from '@inferq/routing'

/** Which of a candidate's deployments gets the call. */
export type PickedDeployment =
  | {
      readonly kind: 'picked'
      readonly deployment: Deployment
      readonly call: CallReport
      /** Further deployments of this candidate that have not failed the job and would take it now. */
      readonly others: number
    }
  /** `no_deployment`: none is configured here; `circuit_open`: none may be called now, with the time to wait. */
  | { readonly kind: 'none'; readonly error: ErrorDetail }

export interface PickContext {
  readonly router: Router
  readonly health: DeploymentHealth
  /** Tries that a job has at a worker. */
  readonly maxTries: number
  readonly now: number
  readonly random: () => number
}

/** So many probes that failed are a long outage: then jobs that nobody waits for are not used up on it. */
const mostUnawaitedProbes = 4

/** When nothing says how long: a deployment is at its limit, or its probe is under way. */
const shortWaitMs = 500

/** The first by the job's strategy that may be called, rather not one that has failed this job already. */
export async function pickDeployment(record: JobRecord, hop: number, context: PickContext): Promise<PickedDeployment> {
  const { router, health, now, random } = context
  const { spec } = record
  const candidate = spec.candidates[hop]
  const configured = candidate === undefined ? [] : router.deploymentsOf(candidate)
  if (candidate === undefined || configured.length === 0) {
    const message = `No deployment of the model '${candidate?.model ?? spec.model}' is configured here.`
    return { kind: 'none', error: { code: 'no_deployment', message } }
  }
  const { failed } = attemptsAt(record.attempts, hop, now)
  const order = router.order(candidate, spec.route?.strategy, health, { random, now }, failed)
  let reopensAt = Number.POSITIVE_INFINITY
  for (const [place, deployment] of order.entries()) {
    const asked = health.admit(deployment.id)
    const admission: Admission = asked instanceof Promise ? await asked : asked
    if (admission.kind === 'admitted') {
      const others = order.slice(place + 1).filter(({ id }) => !failed.includes(id)).length
      return { kind: 'picked', deployment, call: admission.call, others }
    }
    reopensAt = Math.min(reopensAt, admission.until)
  }
  const isAlone = order.length === 0 && !mayServeLater(record, hop, context)
  for (const deployment of configured) {
    const circuit = health.circuit(deployment.id)
    if (circuit.state !== 'open') continue
    const stance = isAlone ? stanceOf(record, circuit.failedProbes, context.maxTries) : 'wait'
    const admission = stance === 'probe' ? await health.admit(deployment.id, true) : undefined
    if (admission?.kind === 'admitted') return { kind: 'picked', deployment, call: admission.call, others: 0 }
    const looksAgainAt = stance === 'watch' ? Math.max(circuit.probeAt, now + shortWaitMs) : circuit.until
    reopensAt = Math.min(reopensAt, admission?.until ?? looksAgainAt)
  }
  const waitMs = Number.isFinite(reopensAt) ? Math.max(0, reopensAt - now) : shortWaitMs
  const message = `No deployment of the model '${candidate.model}' may be called now.`
  return { kind: 'none', error: { code: 'circuit_open', message, retryAfterSeconds: waitMs / 1000 } }
}

/**
 * What a job with nowhere else to go does about an open circuit: it may be the probe (always, where a client waits for it; an
 * asynchronous one in the beginning, but not with its last try), it looks what became of others' probes, or it waits for the cooldown
 * to end (in a long outage; a health check).
 */
function stanceOf({ spec, tries }: JobRecord, failedProbes: number, maxTries: number): 'probe' | 'watch' | 'wait' {
  if (spec.isAwaited === true) return 'probe'
  if (spec.mode !== 'async' || failedProbes >= mostUnawaitedProbes) return 'wait'
  return tries + 1 < maxTries ? 'probe' : 'watch'
}

/** Whether a candidate that the job may still go on to has a deployment that may be called now. */
function mayServeLater({ spec }: JobRecord, hop: number, { router, health, now, random }: PickContext): boolean {
  for (let next: number | null = hop; next !== null; ) {
    next = nextCandidate(spec.candidates, next, { code: 'circuit_open' })
    const candidate = next === null ? undefined : spec.candidates[next]
    if (candidate !== undefined && router.order(candidate, undefined, health, { random, now }).length > 0) return true
  }
  return false
}
