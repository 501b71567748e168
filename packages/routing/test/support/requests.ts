import type { Candidate } from '@inferq/contracts'
import type { Circuit, DeploymentStats, LiveDeployments, RouteDecision, RouteRequest } from '../../src/index.ts'
import { closedCircuit, noStats } from '../../src/index.ts'

export const now = 1_700_000_000_000

/** A chat of one short message, unless the test says otherwise. */
export function chat(model: string, changes: Partial<RouteRequest> = {}): RouteRequest {
  return {
    model,
    operation: 'chat',
    body: { model, messages: [{ role: 'user', content: 'Hi' }] },
    caller: { metadata: {} },
    metadata: {},
    headers: {},
    now,
    random: () => 0.5,
    ...changes,
  }
}

/** Numbers in [0, 1) that follow from the seed (an LCG of Knuth's, upper bits). */
export function seeded(seed: number): () => number {
  let state = BigInt(seed) * 2_862_933_555_777_941_757n + 3_037_000_493n
  return () => {
    state = BigInt.asUintN(64, state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n)
    return Number(state >> 11n) / 2 ** 53
  }
}

export function live(
  circuits: Readonly<Record<string, Circuit>>,
  stats: Readonly<Record<string, Partial<DeploymentStats>>> = {},
): LiveDeployments {
  return {
    circuit: (id) => circuits[id] ?? closedCircuit,
    stats: (id) => ({ ...noStats, ...stats[id] }),
  }
}

export function open(seconds = 30, probeInSeconds = seconds): Circuit {
  const [until, probeAt] = [now + seconds * 1000, now + probeInSeconds * 1000]
  return { state: 'open', until, probeAt, failedProbes: 0, reason: 'upstream_error' }
}

export function candidatesIn(decision: RouteDecision): readonly Candidate[] {
  if (decision.kind === 'refused') throw new Error(`refused: ${JSON.stringify(decision.error)}`)
  return decision.candidates
}

/** `model` of each, with `?` and the kind of failure where only that leads to it, and `!` where it is looked over. */
export function modelsIn(decision: RouteDecision): readonly string[] {
  return candidatesIn(decision).map(
    ({ model, after, verify }) => `${model}${after === undefined ? '' : `?${after}`}${verify ? '!' : ''}`,
  )
}

export function errorIn(decision: RouteDecision) {
  if (decision.kind === 'candidates') throw new Error(`not refused: ${JSON.stringify(decision.candidates)}`)
  return decision.error
}

/** Whether counts are as shares say, by Pearson's chi-square below the bound for p = 0.001 at up to 4 degrees. */
export function isDistributed(
  counts: Readonly<Record<string, number>>,
  shares: Readonly<Record<string, number>>,
): boolean {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
  const weight = Object.values(shares).reduce((sum, share) => sum + share, 0)
  let chiSquare = 0
  for (const [name, share] of Object.entries(shares)) {
    const expected = (total * share) / weight
    chiSquare += ((counts[name] ?? 0) - expected) ** 2 / expected
  }
  return Object.keys(counts).every((name) => (shares[name] ?? 0) > 0) && chiSquare < 18.47
}
