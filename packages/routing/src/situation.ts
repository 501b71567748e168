import type { RoutingConfig, Strategy } from '@inferq/config'
import type { LiveDeployments } from './live-deployments.ts'
import type { PromptSize } from './prompt-size.ts'
import type { Recorder } from './recorder.ts'
import type { RouteRequest } from './router.ts'

/** One request in the middle of its decision: what its deployments are chosen by. */
export interface Situation {
  readonly request: RouteRequest
  readonly prompt: PromptSize
  readonly tags: () => readonly string[]
  readonly live: LiveDeployments
  readonly routing: RoutingConfig
  readonly strategy: Strategy
  /** Undefined: no limit. */
  readonly maxCostUsd: number | undefined
  /** Counts, and gives how often this group has been asked for before. */
  readonly turn: (group: string) => number
  /** Absent: nobody wants to know how the decision came about. */
  readonly recorder: Recorder | undefined
}
