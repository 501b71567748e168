import { median } from '../measure/statistics.ts'
import type { FaultRun } from './cell-results.ts'
import { formatNumber } from './format.ts'
import { growthRows } from './growth.ts'
import type { BenchReport } from './results.ts'
import { addedFirstToken, addedLatency, findCell, lostUnder, processRows, throughputRatio } from './summary.ts'

export interface Goal {
  readonly goal: string
  readonly measured: string
  /** Null: not measured in this run. */
  readonly met: boolean | null
}

/** What inferq promises itself, against what this run says. */
export function judgeGoals(report: BenchReport): Goal[] {
  return [
    ...['c128', 'c128-pinned'].flatMap((cell) => [
      ratioGoal(report, cell, { peer: 'litellm', name: 'LiteLLM', least: 10 }),
      ratioGoal(report, cell, { peer: 'portkey', name: 'Portkey', least: 1.5 }),
    ]),
    ...latencyGoals(report),
    ...streamGoals(report),
    readersGoal(report),
    growthGoal(report),
    ...(['reader', 'sdk'] as const).map((client) => faultsGoal(report, client)),
    ...['ingress', 'worker'].map((label) =>
      atMost(`memory of the ${label} under load, at its peak`, peakMib(report, label), { most: 200, unit: 'MB' }),
    ),
  ]
}

interface RatioGoal {
  readonly peer: string
  readonly name: string
  readonly least: number
}

function ratioGoal(report: BenchReport, cell: string, { peer, name, least }: RatioGoal): Goal {
  const result = findCell(report, 'throughput', cell)
  const ratio = result === undefined ? null : throughputRatio(result, 'inferq', peer)
  return {
    goal: `requests/s, \`${cell}\`: at least ${least} × ${name}`,
    measured: ratio === null ? '–' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`,
    met: ratio === null ? null : ratio.median >= least,
  }
}

function latencyGoals(report: BenchReport): Goal[] {
  const cell = findCell(report, 'latency', 'latency-50ms')
  const own = cell && addedLatency(cell, 'inferq')?.p50
  const peer = cell && addedLatency(cell, 'portkey')?.p50
  const what = 'added latency, p50, upstream answering after 50 ms'
  const isMeasured = own !== undefined && peer !== undefined
  return [
    atMost(what, own, { most: 2, unit: 'ms' }),
    {
      goal: `${what}: below Portkey's`,
      measured: isMeasured ? `${formatNumber(own)} against ${formatNumber(peer)} ms` : '–',
      met: isMeasured ? own < peer : null,
    },
  ]
}

function streamGoals(report: BenchReport): Goal[] {
  const first = findCell(report, 'first-token', 'first-token-50')
  const added = first && addedFirstToken(first, 'inferq')
  const streams = findCell(report, 'stamped-streams', 'streams-200')
  const delays = streams?.runs.filter((run) => run.target === 'inferq').map((run) => run.delayMs.p99) ?? []
  return [
    atMost('time to the first token added, p50, at 50 streams', added?.p50, { most: 2, unit: 'ms' }),
    atMost('time to the first token added, p99, at 50 streams', added?.p99, { most: 10, unit: 'ms' }),
    atMost('delay of a token, p99, at 200 streams', delays.length === 0 ? undefined : median(delays), {
      most: 15,
      unit: 'ms',
    }),
  ]
}

const goalReaders = 10_000

function readersGoal(report: BenchReport): Goal {
  const cell = findCell(report, 'idle-readers', 'idle-readers')
  const goal = atMost(
    `memory of an idle reader of events, ${formatNumber(goalReaders)} on one ingress`,
    cell?.kibPerReader,
    {
      most: 25,
      unit: 'KB',
    },
  )
  if (cell === undefined || cell.readers >= goalReaders) return goal
  return { ...goal, measured: `${goal.measured} (of ${formatNumber(cell.readers)})`, met: null }
}

const goalRequests = 1_000_000

function growthGoal(report: BenchReport): Goal {
  const goal = `no process grows over ${formatNumber(goalRequests)} requests`
  const cell = findCell(report, 'growth', 'growth')
  const sent = cell?.points.at(-1)?.requests ?? 0
  if (cell === undefined || sent === 0) return { goal, measured: '–', met: null }
  const growing = growthRows(cell).filter((row) => row.grows)
  const measured = growing.length === 0 ? 'none' : growing.map((row) => row.process).join(', ')
  if (sent < goalRequests) return { goal, measured: `${measured} (over ${formatNumber(sent)})`, met: null }
  return { goal, measured, met: growing.length === 0 }
}

function faultsGoal(report: BenchReport, client: FaultRun['client']): Goal {
  const who = client === 'sdk' ? 'clients of an SDK' : 'clients that read on'
  const goal = `requests lost under the faults that make peers lose some, by ${who}: none`
  const cell = findCell(report, 'faults', 'faults')
  const lost = cell && lostUnder(cell, client)
  if (lost == null) return { goal, measured: '–', met: null }
  return { goal, measured: `${lost.own} (peers ${lost.peers})`, met: lost.own === 0 }
}

function atMost(what: string, value: number | undefined, limit: { most: number; unit: string }): Goal {
  const isMeasured = value !== undefined && Number.isFinite(value)
  return {
    goal: `${what}: at most ${limit.most} ${limit.unit}`,
    measured: isMeasured ? `${formatNumber(value)} ${limit.unit}` : '–',
    met: isMeasured ? value <= limit.most : null,
  }
}

/** Over all closed-loop cells. */
function peakMib(report: BenchReport, label: string): number | undefined {
  const peaks = report.cells
    .filter((cell) => cell.kind === 'throughput')
    .flatMap((cell) => processRows(cell))
    .filter((row) => row.target === 'inferq' && row.label === label)
    .map((row) => row.peakRssMib)
  return peaks.length === 0 ? undefined : Math.max(...peaks)
}
