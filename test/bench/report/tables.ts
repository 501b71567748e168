import type { Percentiles } from '../measure/statistics.ts'
import * as tables from './cell-tables.ts'
import { formatNumber, formatSpread, formatTable } from './format.ts'
import { judgeGoals } from './goals.ts'
import type { BenchReport, CellResult, ThroughputResult } from './results.ts'
import * as summary from './summary.ts'

export interface Section {
  readonly title: string
  readonly table: string
}

/** Everything a run has measured, for the terminal and for the page alike. */
export function renderSections(report: BenchReport): Section[] {
  const throughput = report.cells.filter((cell) => cell.kind === 'throughput')
  const sections = [
    section('Requests per second, closed loop', ...throughputTable(throughput)),
    section('Added latency (ms), one request at a time', ...addedTable(report.cells, 'latency')),
    section('Added time to the first token (ms)', ...addedTable(report.cells, 'first-token')),
    ...throughput
      .filter(isBusiest)
      .flatMap((cell) => [
        section(`Processes (${cell.name})`, ...processTable(cell)),
        section(`Redis commands per request (${cell.name})`, ...commandTable(cell)),
      ]),
    section('Streams: from the emission of a token to its arrival (ms)', ...tables.stampedStreamsTable(report.cells)),
    section('Bodies of 1, 32 and 400 KB', ...tables.payloadTable(report.cells)),
    section('Open loop: the highest rate in time', ...tables.ladderTable(report.cells)),
    section('Memory after very many requests', ...tables.growthTable(report.cells)),
    section('Under faults', ...tables.faultsTable(report.cells)),
    section('Idle readers', ...readersTable(report.cells)),
    section(
      'Goals',
      ['goal', 'measured', 'met'],
      judgeGoals(report).map(({ goal, measured, met }) => [
        goal,
        measured,
        met === null ? '–' : met ? 'yes' : '**no**',
      ]),
    ),
    section(
      'Wrong answers and errors',
      ['what', 'cell', 'count'],
      summary.allFaults(report).map(({ cell, fault, count }) => [fault, cell, String(count)]),
    ),
  ]
  return sections.filter((one) => one !== null)
}

/** The most connections of its kind: where processes and commands are worth a table. */
function isBusiest(cell: ThroughputResult, _: number, cells: readonly ThroughputResult[]): boolean {
  if (cell.pinned) return false
  return cells.every((other) => other.stream !== cell.stream || other.connections <= cell.connections)
}

function section(title: string, headings: readonly string[], rows: readonly (readonly string[])[]): Section | null {
  return rows.length === 0 ? null : { title, table: formatTable(headings, rows) }
}

function throughputTable(cells: readonly ThroughputResult[]): [string[], string[][]] {
  const headings = [
    'cell',
    'target',
    'requests/s (min–max)',
    '× Portkey',
    '× LiteLLM',
    'p50 ms',
    'p99 ms',
    'CPU s/1,000',
    'wrong',
  ]
  const rows = cells.flatMap((cell) =>
    summary.throughputRows(cell).map((row) => {
      const ratios = ['portkey', 'litellm'].map((peer) =>
        row.target === peer ? null : summary.throughputRatio(cell, row.target, peer),
      )
      return [
        cell.name,
        row.target,
        formatSpread(row.requestsPerSecond),
        ...ratios.map((ratio) => (ratio === null ? '' : formatSpread(ratio))),
        formatNumber(row.p50Ms),
        formatNumber(row.p99Ms),
        formatNumber(row.cpuSecondsPer1000),
        String(row.wrongAnswers),
      ]
    }),
  )
  return [headings, rows]
}

function addedTable(cells: readonly CellResult[], kind: 'latency' | 'first-token'): [string[], string[][]] {
  const rows = cells.flatMap((cell) => {
    if (cell.kind === 'latency' && kind === 'latency') {
      return addedRows(cell.name, cell.totalMs, (target) => summary.addedLatency(cell, target))
    }
    if (cell.kind === 'first-token' && kind === 'first-token') {
      return addedRows(cell.name, cell.firstTokenMs, (target) => summary.addedFirstToken(cell, target))
    }
    return []
  })
  return [['cell', 'target', 'p50', 'p90', 'p99', 'measured'], rows]
}

function addedRows(
  cell: string,
  values: Readonly<Record<string, readonly number[]>>,
  added: (target: string) => Percentiles | null,
): string[][] {
  return Object.keys(values)
    .filter((target) => target !== 'direct')
    .toSorted(summary.byFame)
    .map((target) => {
      const { p50, p90, p99 } = added(target) ?? { p50: Number.NaN, p90: Number.NaN, p99: Number.NaN }
      return [
        cell,
        target,
        formatNumber(p50),
        formatNumber(p90),
        formatNumber(p99),
        String(values[target]?.length ?? 0),
      ]
    })
}

function processTable(cell: ThroughputResult): [string[], string[][]] {
  const rows = summary
    .processRows(cell)
    .map((row) => [row.target, row.label, ...[row.cpuSecondsPer1000, row.peakRssMib, row.pssMib].map(formatNumber)])
  return [['target', 'process', 'CPU s/1,000 requests', 'peak MB', 'shared out MB'], rows]
}

function commandTable(cell: ThroughputResult): [string[], string[][]] {
  const rows = summary
    .commandRows(cell)
    .filter((row) => row.callsPerRequest >= 0.01)
    .map((row) => [row.command, formatNumber(row.callsPerRequest), formatNumber(row.microsecondsPerRequest)])
  return [['command', 'calls', 'µs'], rows]
}

function readersTable(cells: readonly CellResult[]): [string[], string[][]] {
  const rows = cells
    .filter((cell) => cell.kind === 'idle-readers')
    .map((cell) => [
      formatNumber(cell.readers),
      formatNumber(cell.rssBeforeMib),
      formatNumber(cell.rssAfterMib),
      formatNumber(cell.kibPerReader),
      formatNumber(cell.idleCpuShare * 100),
    ])
  return [['readers', 'ingress before, MB', 'with them, MB', 'KB each', 'CPU % meanwhile'], rows]
}
