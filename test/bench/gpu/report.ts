import { formatNumber, formatTable } from '../report/format.ts'
import type { EmbeddingsResult } from './embeddings.ts'
import type { FairnessResult } from './fairness.ts'
import type { GateResult, OverloadResult } from './gate.ts'
import type { LaneResult } from './lane.ts'
import type { SwapsResult } from './swaps.ts'

/** Each part of the report, as Markdown: what was done, the figures, and whether the goal was met. */

export function renderGate(results: readonly GateResult[]): string {
  const limits = results[0]?.sweep.map(({ limit }) => limit) ?? []
  const rows = results.map((result) => {
    const { value: best, limit } = bestOf(result)
    const sweep = result.sweep.map(({ tokensPerSecond }) => formatNumber(tokensPerSecond))
    return [result.curve.name, ...sweep, limit, best, result.gate, result.gate / best, result.limit].map(text)
  })
  return `## The gate against static limits

Tokens a second of a backend that is called with a fixed number of requests at once, and under inferq's gate with a backlog,
configured with 128 at most and told nothing else.

${results.map(({ curve }) => `- **${curve.name}**: ${curve.what}`).join('\n')}

${formatTable(['curve', ...limits.map(String), 'best at', 'best', 'gate', 'gate ÷ best', 'its limit'], rows)}

${verdict(
  'within 10 % of the best static limit on every curve',
  results.every((result) => result.gate >= 0.9 * bestOf(result).value),
)}`
}

export function renderOverload(gate: GateResult, results: readonly OverloadResult[]): string {
  const { value: capacity } = bestOf(gate)
  const rows = results.map(({ name, inTime, counts }) =>
    [name, inTime, inTime / capacity, counts.inTime, counts.late, counts.refused, counts.other].map(text),
  )
  const [gated] = results
  return `## Twice what a backend can do

Streams for interactive clients on the curve \`${gate.curve.name}\`, arriving at twice the rate of its best static limit. In time:
the first token within 3 s of when the request was due, the rest at a third of a lone answer's pace or better.

${formatTable(['limit', 'tokens/s in time', 'of capacity', 'in time', 'late', 'refused', 'other'], rows)}

${verdict('95 % of capacity in time under the gate', gated !== undefined && gated.inTime >= 0.95 * capacity)}`
}

export function renderFairness({ newcomers, jain, byWeight }: FairnessResult): string {
  const rows = [
    [`${newcomers.count} newcomers behind another tenant's thousand: wait in service times, p50`, newcomers.p50],
    ['the same, longest', newcomers.max],
    ["Jain's index, equal weights, ten times the jobs", jain],
    ...byWeight.map((share, place) => [
      `share of the tenant of weight ${[1, 2, 4][place]}, over what it should be`,
      share,
    ]),
  ].map((row) => row.map(text))
  return `## Fair shares

One GPU with four slots; what was served is counted by the backend.

${formatTable(['what', 'value'], rows)}

${verdict('a newcomer waits 1.1 service times at most', newcomers.max <= 1.1)}
${verdict('Jain 0.95 or better at ten to one', jain >= 0.95)}
${verdict(
  'shares within 5 % of weights 1, 2, 4',
  byWeight.every((share) => Math.abs(share - 1) <= 0.05),
)}`
}

export function renderLane({ alone, besideBatch, tokensAlone, tokensBeside }: LaneResult): string {
  const [, , p99 = Number.NaN] = alone
  const [, , p99Beside = Number.NaN] = besideBatch
  const rows = [
    ['alone', ...alone, tokensAlone],
    ['beside a batch', ...besideBatch, tokensBeside],
  ].map((row) => row.map(text))
  return `## The batch lane

Interactive streams on 16 slots at 40 % of what these can do, alone and beside a batch of 3,000 lines, in turns: time to the
first token in ms.

${formatTable(['', 'p50', 'p90', 'p99', 'tokens/s of the backend'], rows)}

${verdict('p99 at most 20 % longer beside a batch', p99Beside <= 1.2 * p99)}`
}

export function renderEmbeddings({ gathered, alone }: EmbeddingsResult): string {
  const rows = [
    ['gathered', gathered.perSecond, gathered.calls],
    ['one call each', alone.perSecond, alone.calls],
  ].map((row) => row.map(text))
  return `## Embeddings

64 clients, a text each; a call takes the backend 40 ms and a little for each text, one call at once.

${formatTable(['', 'texts/s', 'calls'], rows)}

${verdict('five times as many when gathered', gathered.perSecond >= 5 * alone.perSecond)} (${text(gathered.perSecond / alone.perSecond)} times)`
}

export function renderSwaps(results: readonly SwapsResult[]): string {
  const rows = results.map(({ name, swaps, p95Seconds, lastedSeconds }) =>
    [name, swaps, p95Seconds, lastedSeconds].map(text),
  )
  const [fifo, sticky] = results
  const isMet =
    fifo !== undefined && sticky !== undefined && sticky.swaps <= fifo.swaps / 5 && sticky.p95Seconds <= fifo.p95Seconds
  return `## Two models on one GPU

100 jobs, five a second, in turn for two models of an Ollama that holds one; loading takes 0.7 s.

${formatTable(['', 'swaps', 'p95 of a job, s', 'all done after, s'], rows)}

${verdict('a fifth of the swaps, and no longer waits at p95', isMet)}`
}

function bestOf({ sweep }: GateResult): { readonly value: number; readonly limit: number } {
  const best = sweep.reduce((a, b) => (b.tokensPerSecond > a.tokensPerSecond ? b : a))
  return { value: best.tokensPerSecond, limit: best.limit }
}

function text(value: string | number): string {
  return typeof value === 'number' ? formatNumber(value) : value
}

function verdict(goal: string, isMet: boolean): string {
  return `- Goal: ${goal}: **${isMet ? 'met' : 'missed'}**`
}
