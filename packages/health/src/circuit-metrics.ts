import type { Circuit } from '@inferq/routing'
import type { InferqMetrics } from '@inferq/telemetry'

export type HealthMetrics = Pick<InferqMetrics, 'deploymentCircuit' | 'circuitTransitions' | 'deploymentInFlight'>

/** Writes what has to be looked at; transitions are counted where they happen. */
export interface MetricsWriter {
  write(circuits: ReadonlyMap<string, Circuit>, inFlight: ReadonlyMap<string, number>): void
}

const levels: Readonly<Record<Circuit['state'], number>> = { closed: 0, half_open: 1, open: 2 }

export function createMetricsWriter(metrics: HealthMetrics): MetricsWriter {
  /** Those with a value other than 0, which it gets once more when it is over. */
  let shown: { circuits: ReadonlySet<string>; busy: ReadonlySet<string> } = { circuits: new Set(), busy: new Set() }
  return {
    write(circuits, inFlight) {
      for (const id of shown.circuits) if (!circuits.has(id)) metrics.deploymentCircuit.with({ deployment: id }).set(0)
      for (const id of shown.busy) if (!inFlight.has(id)) metrics.deploymentInFlight.with({ deployment: id }).set(0)
      for (const [id, { state }] of circuits) metrics.deploymentCircuit.with({ deployment: id }).set(levels[state])
      for (const [id, count] of inFlight) {
        metrics.deploymentInFlight.with({ deployment: id }).set(count)
        // A deployment that serves is shown as closed, not left out.
        if (!circuits.has(id)) metrics.deploymentCircuit.with({ deployment: id }).set(0)
      }
      shown = { circuits: new Set(circuits.keys()), busy: new Set(inFlight.keys()) }
    },
  }
}
