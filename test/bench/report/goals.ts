import { formatNumber } from './format.ts'
import type { BenchReport } from './results.ts'
import { addedFirstToken, findCell, processRows, throughputRatio } from './summary.ts'

export interface Goal {
  readonly goal: string
  readonly measured: string
  /** Null: not measured in this run. */
  readonly met: boolean | null
}

/** What inferq promises itself, against what this run says. */
export function judgeGoals(report: BenchReport): Goal[] {
  const busy = findCell(report, 'throughput', 'c128')
  const ratio = busy === undefined ? null : throughputRatio(busy, 'inferq', 'portkey')
  const ratioGoal = (least: number): Goal => ({
    goal: `requests/s at 128 connections, answers in one piece, instant upstream: at least ${least.toFixed(1)} × Portkey`,
    measured: ratio === null ? '–' : `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`,
    met: ratio === null ? null : ratio.median >= least,
  })
  const first = findCell(report, 'first-token', 'first-token')
  const readers = findCell(report, 'idle-readers', 'idle-readers')
  return [
    ratioGoal(1),
    ratioGoal(1.5),
    atMost('time to the first token added, p50, one stream at a time', first && addedFirstToken(first, 'inferq')?.p50, {
      most: 5,
      unit: 'ms',
    }),
    atMost('memory of the ingress under load, at its peak', peakMib(report, 'ingress'), { most: 200, unit: 'MB' }),
    atMost('memory of the worker under load, at its peak', peakMib(report, 'worker'), { most: 200, unit: 'MB' }),
    atMost(
      `memory of an idle reader of events, ${formatNumber(readers?.readers ?? 2_000)} on one ingress`,
      readers?.kibPerReader,
      { most: 40, unit: 'KB' },
    ),
  ]
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
