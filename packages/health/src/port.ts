import type { ErrorDetail } from '@inferq/contracts'
import type { Circuit, LiveDeployments } from '@inferq/routing'
import type { Service } from '@inferq/runtime'

/**
 * What all processes together know of each deployment. Reading is from memory; a Service: started, it hears of changes.
 * While Redis is away it goes on with what it knows and with its own observations.
 */
export interface DeploymentHealth extends LiveDeployments, Service {
  /**
   * Before a call. `admitted`: go on, and tell `ended`. `open`: leave it alone until then (ms since the epoch; for a
   * half-open one whose probe is under way, a moment from now). The first to ask after a cooldown gets the probe.
   * Synchronous for a closed circuit. `isAlone`: nobody else may serve the request; then it may be the probe long before the
   * cooldown is over, after a second, two, four … (`probeAt` of the circuit), and `open` says until when that is not yet so.
   */
  admit(deploymentId: string, isAlone?: boolean): Admission | Promise<Admission>
  /** Every circuit that is not closed, by deployment. */
  circuits(): ReadonlyMap<string, Circuit>
  /** Closes a circuit by hand. */
  reset(deploymentId: string): Promise<void>
}

export type Admission =
  | { readonly kind: 'admitted'; readonly call: CallReport }
  | { readonly kind: 'open'; readonly until: number; readonly reason: string }

/** Told once, however the call ends; a second telling does nothing. Never throws, never waits. */
export interface CallReport {
  /**
   * Its first token, `latencyMs` after its start: a streamed call that probes need not end before others may follow.
   * Optional; then `succeeded` gives the latency.
   */
  responded(latencyMs: number): void
  /** `latencyMs` is left aside when `responded` has told it. */
  succeeded(facts: { readonly latencyMs: number | undefined; readonly tokens: number }): void
  /** Whether it counts against the deployment is decided here, by the code. */
  failed(error: ErrorDetail): void
  /** It ended for reasons of ours (cancelled, drained): says nothing about the deployment. */
  abandoned(): void
}
