import type { Faults } from '../load/protocol.ts'
import { median, type Percentiles, percentilesOf } from '../measure/statistics.ts'
import type { FaultRun, LadderRun, StampedStreamsResult } from './cell-results.ts'
import { formatNumber, formatSpread } from './format.ts'
import { growthRows } from './growth.ts'
import type { CellResult } from './results.ts'
import { addedPercentiles, byFame, throughputRows } from './summary.ts'

type Table = [headings: string[], rows: string[][]]

/** Highest rate of the open-loop ladder, the rungs around it. */
export function ladderTable(cells: readonly CellResult[]): Table {
  const rows = cells
    .filter((cell) => cell.kind === 'ladder')
    .flatMap((cell) => cell.runs.toSorted((a, b) => byFame(a.target, b.target)).map(ladderRow))
  return [['target', 'highest rate/s', 'p50 ms', 'p99 ms', 'next that did not hold', 'because', 'rungs'], rows]
}

function ladderRow({ target, highestRate, rungs }: LadderRun): string[] {
  const held = rungs.findLast((rung) => rung.held && rung.rate === highestRate)
  const failed = rungs
    .filter((rung) => !rung.held && rung.rate > (highestRate ?? 0))
    .toSorted((a, b) => a.rate - b.rate)[0]
  const because =
    failed === undefined ? '' : failed.overrun ? 'it fell behind' : (describe(failed.faults) ?? late(failed.p99Ms))
  return [
    target,
    highestRate === null ? 'none' : formatNumber(highestRate),
    formatNumber(held?.p50Ms),
    formatNumber(held?.p99Ms),
    formatNumber(failed?.rate),
    because,
    rungs.map((rung) => `${Math.round(rung.rate)}${rung.held ? '' : '✗'}`).join(' '),
  ]
}

function late(p99Ms: number): string {
  return `p99 ${formatNumber(p99Ms)} ms`
}

/** Delay of tokens, bursts, and what is added to the first one, with so many streams at once. */
export function stampedStreamsTable(cells: readonly CellResult[]): Table {
  const rows = cells
    .filter((cell) => cell.kind === 'stamped-streams')
    .flatMap((cell) => targetsOf(cell.runs).map((target) => stampedStreamsRow(cell, target)))
  const headings = [
    'cell',
    'target',
    'delay p50 ms',
    'p90',
    'p99',
    'first token + p50 ms',
    '+ p99',
    'bursts %',
    'streams',
  ]
  return [headings, rows]
}

function stampedStreamsRow(cell: StampedStreamsResult, target: string): string[] {
  const runs = cell.runs.filter((run) => run.target === target)
  const added = addedFirstTokenOf(cell, target)
  const figures = [
    ...(['p50', 'p90', 'p99'] as const).map((p) => median(runs.map((run) => run.delayMs[p]))),
    ...(target === 'direct' ? [Number.NaN, Number.NaN] : [added?.p50, added?.p99]),
    median(runs.map((run) => run.burstShare)) * 100,
    runs.reduce((sum, run) => sum + run.completed, 0),
  ]
  return [cell.name, target, ...figures.map(formatNumber)]
}

/** What a target adds to the time to the first token, in ms: differences of percentiles, medians over the repeats. */
function addedFirstTokenOf(cell: StampedStreamsResult, target: string): Percentiles | null {
  const added = cell.runs
    .filter((run) => run.target === target)
    .flatMap(({ repeat, firstTokenMs: own }) => {
      const direct = cell.runs.find((run) => run.target === 'direct' && run.repeat === repeat)?.firstTokenMs
      if (direct === undefined) return []
      return [{ p50: own.p50 - direct.p50, p90: own.p90 - direct.p90, p99: own.p99 - direct.p99 }]
    })
  if (added.length === 0) return null
  const middle = (p: keyof Percentiles): number => median(added.map((one) => one[p]))
  return { p50: middle('p50'), p90: middle('p90'), p99: middle('p99') }
}

/** Requests per second and added latency by length of the body. */
export function payloadTable(cells: readonly CellResult[]): Table {
  const rows = cells
    .filter((cell) => cell.kind === 'payload')
    .flatMap((cell) =>
      throughputRows(cell).map((row) => {
        const added = addedPercentiles(cell.totalMs, row.target)
        return [
          cell.name,
          row.target,
          formatSpread(row.requestsPerSecond),
          formatNumber(row.cpuSecondsPer1000),
          formatNumber(percentilesOf(cell.totalMs[row.target] ?? []).p50),
          row.target === 'direct' ? '–' : formatNumber(added?.p50),
          String(row.wrongAnswers),
        ]
      }),
    )
  return [['cell', 'target', 'requests/s (min–max)', 'CPU s/1,000', 'p50 ms', 'added p50 ms', 'wrong'], rows]
}

/** What each process is left with after very many requests. */
export function growthTable(cells: readonly CellResult[]): Table {
  const rows = cells
    .filter((cell) => cell.kind === 'growth')
    .flatMap((cell) =>
      growthRows(cell).map((row) => [
        row.process,
        formatNumber(row.firstMib),
        formatNumber(row.halfMib),
        formatNumber(row.lastMib),
        formatNumber(row.kibPer1000),
        row.grows ? '**yes**' : 'no',
        formatNumber(cell.points.at(-1)?.requests),
      ]),
    )
  return [
    ['process', 'MB after a tenth', 'after half', 'at the end', 'KB/1,000, second half', 'grows', 'requests'],
    rows,
  ]
}

/** What clients lose under each fault. */
export function faultsTable(cells: readonly CellResult[]): Table {
  const rows = cells.filter((cell) => cell.kind === 'faults').flatMap((cell) => cell.runs.map(faultRow))
  const headings = ['target', 'fault', 'client', 'requests', 'refused', 'broken', 'why', 'extra calls', 'extra tokens']
  return [[...headings, 'recovered after s', 'silence s', 'restart s'], rows]
}

function faultRow(run: FaultRun): string[] {
  const seconds = (milliseconds: number | null): string => formatNumber((milliseconds ?? Number.NaN) / 1000)
  return [
    run.target,
    run.fault,
    run.client === 'sdk' ? 'SDK' : 'reads on',
    String(run.requests),
    String(total(run.refused)),
    String(total(run.broken)),
    describe({ ...run.refused, ...run.broken }) ?? '',
    String(run.extraCalls),
    String(run.extraTokens),
    run.recoverMs === null ? 'never' : seconds(run.recoverMs),
    seconds(run.silenceMs),
    seconds(run.restartMs),
  ]
}

function targetsOf(runs: readonly { readonly target: string }[]): string[] {
  return [...new Set(runs.map((run) => run.target))].toSorted(byFame)
}

function describe(faults: Faults): string | null {
  const kinds = Object.keys(faults)
  return kinds.length === 0 ? null : kinds.join(', ')
}

function total(faults: Faults): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0)
}
