/** What is known of the deployments at this moment; reading it costs nothing. */
export interface LiveDeployments {
  circuit(deploymentId: string): Circuit
  stats(deploymentId: string): DeploymentStats
}

/**
 *   closed ── failures ──▶ open ── cooldown over ──▶ half_open ── probe succeeds ──▶ closed
 *                           ▲                            │
 *                           └────────── probe fails ─────┘
 */
export type Circuit =
  | { readonly state: 'closed' }
  /**
   * `until` in ms since the epoch. `probeAt`, at the latest then: from when on a request that nobody else may serve is let through
   * as the probe. `failedProbes` since it was closed. `reason`: an error code.
   */
  | {
      readonly state: 'open'
      readonly until: number
      readonly probeAt: number
      readonly failedProbes: number
      readonly reason: string
    }
  /** The next call is the probe; others wait for how it ends. */
  | { readonly state: 'half_open'; readonly reason: string }

/** Over all processes, as far as they have told. */
export interface DeploymentStats {
  readonly inFlight: number
  /** Moving average from call to first token (of an answer that comes whole: to its end), in ms; undefined before the first. */
  readonly latencyMs: number | undefined
  /** In the running minute. */
  readonly requests: number
  readonly tokens: number
}

export const closedCircuit: Circuit = { state: 'closed' }
export const noStats: DeploymentStats = { inFlight: 0, latencyMs: undefined, requests: 0, tokens: 0 }

/** Nothing is known: every circuit closed, nothing in flight. */
export const quietDeployments: LiveDeployments = { circuit: () => closedCircuit, stats: () => noStats }
