import type { Deployment } from '@inferq/config'
import type { LiveDeployments } from './live-deployments.ts'

/** Whether a deployment may be called now. */
export type Availability =
  | { readonly kind: 'available' }
  /** Its circuit is open; `until` in ms since the epoch, `probeAt` for who has nowhere else to go. */
  | { readonly kind: 'open'; readonly until: number; readonly probeAt: number }
  /** It has had all that its limits allow for this minute, or at once. */
  | { readonly kind: 'at_limit'; readonly limit: 'rpm' | 'tpm' | 'max_parallel' }

const available: Availability = { kind: 'available' }

/** A circuit whose cooldown is over is as good as half open: the next call is the probe. */
export function availabilityOf({ id, limits }: Deployment, live: LiveDeployments, now: number): Availability {
  const circuit = live.circuit(id)
  if (circuit.state === 'open' && circuit.until > now) {
    return { kind: 'open', until: circuit.until, probeAt: circuit.probeAt }
  }
  const { rpm, tpm, maxParallel } = limits
  if (rpm === undefined && tpm === undefined && maxParallel === undefined) return available
  const stats = live.stats(id)
  if (rpm !== undefined && stats.requests >= rpm) return { kind: 'at_limit', limit: 'rpm' }
  if (tpm !== undefined && stats.tokens >= tpm) return { kind: 'at_limit', limit: 'tpm' }
  if (maxParallel !== undefined && stats.inFlight >= maxParallel) return { kind: 'at_limit', limit: 'max_parallel' }
  return available
}
