import type { Deployment, RoutingRule } from '@inferq/config'
import type { Candidate } from '@inferq/contracts'
import type { Availability } from './availability.ts'
import { estimateCostNanoUsd, expectedCompletionTokens } from './estimate-cost.ts'
import type { RouteFacts } from './facts.ts'
import { modeOf } from './model-plan.ts'
import type { NamedModel } from './names.ts'
import type { PromptSize } from './prompt-size.ts'
import type { RouteDecision, RouteRequest, RouteTrace } from './router.ts'
import type { Situation } from './situation.ts'

/** Writes down how a decision comes about. The deciding code is the same with and without one. */
export interface Recorder {
  facts(facts: RouteFacts): void
  rule(rule: RoutingRule, outcome: RouteTrace['rules'][number]['outcome'], reason: string): void
  /** All deployments of a model, before any is left out. */
  considered(model: NamedModel, situation: Situation): void
  leftOut(deployment: Deployment, reason: string): void
  available(deployment: Deployment, availability: Availability): void
  /** The one that would be called now. */
  chosen(deployment: Deployment, reason: string): void
  trace(request: RouteRequest, prompt: PromptSize, decision: RouteDecision): RouteTrace
}

type Rules = RouteTrace['rules'][number]
type Entry = { -readonly [K in keyof RouteTrace['deployments'][number]]: RouteTrace['deployments'][number][K] }

export function createRecorder(): Recorder {
  const rules: Rules[] = []
  const entries = new Map<Deployment, Entry>()
  let noted: RouteFacts | undefined
  const mark = (deployment: Deployment, outcome: Entry['outcome'], reason: string): void => {
    const entry = entries.get(deployment)
    if (entry !== undefined) Object.assign(entry, { outcome, reason })
  }
  return {
    facts(facts) {
      noted = facts
    },
    rule(rule, outcome, reason) {
      rules.push({ rule: rule.id, place: rule.place, outcome, reason })
    },
    considered({ name, plan }, { request, live, prompt }) {
      const mode = modeOf(request.operation)
      for (const deployment of plan.entry.deployments) {
        if (entries.has(deployment)) continue
        const isFit = (deployment.mode ?? mode) === mode
        const cost = estimateCostNanoUsd(deployment, request.operation, request.body, prompt)
        entries.set(deployment, {
          deployment: deployment.id,
          model: name,
          class: deployment.class,
          outcome: isFit ? 'eligible' : 'left_out',
          reason: isFit ? 'it may serve' : `it answers only ${mode === 'chat' ? 'embeddings' : 'completions'}`,
          circuit: live.circuit(deployment.id),
          estimatedCostUsd: cost === null ? null : cost / 1e9,
        })
      }
    },
    leftOut: (deployment, reason) => mark(deployment, 'left_out', reason),
    available(deployment, availability) {
      const reason = unavailableReason(availability)
      if (reason !== null) mark(deployment, 'left_out', reason)
    },
    chosen: (deployment, reason) => mark(deployment, 'chosen', reason),
    trace(request, prompt, decision) {
      const deployments = [...entries.values()]
      const chosen = deployments.find(({ outcome }) => outcome === 'chosen')
      const chosenDeployment = [...entries.keys()].find(({ id }) => id === chosen?.deployment)
      return {
        facts: noted === undefined ? {} : { ...noted },
        rules,
        deployments,
        fallbacks:
          decision.kind === 'candidates' ? decision.candidates.slice(1).map(fallbackOf(decision.candidates)) : [],
        estimate: {
          promptTokens: prompt.total().tokens,
          completionTokens: expectedCompletionTokens(request.operation, request.body, chosenDeployment),
          costUsd: chosen?.estimatedCostUsd ?? null,
        },
      }
    },
  }
}

function fallbackOf(candidates: readonly Candidate[]) {
  return (candidate: Candidate, index: number): RouteTrace['fallbacks'][number] => ({
    model: candidate.model,
    class: candidate.class,
    after:
      candidate.after ?? (candidates[index]?.verify === true ? 'any failure, or a rejected answer' : 'any failure'),
  })
}

function unavailableReason(availability: Availability): string | null {
  switch (availability.kind) {
    case 'available':
      return null
    case 'open':
      return `its circuit is open until ${new Date(availability.until).toISOString()}; it comes last`
    case 'at_limit':
      return `it has reached its limit of ${availability.limit}; it comes last`
    default:
      return availability satisfies never
  }
}
