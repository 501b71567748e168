import { median } from '../measure/statistics.ts'
import { formatNumber, formatTable } from './format.ts'

/** What is promised at least, a second: issue of the promises under fire. */
const durabilityGoals = { submits: 1_000, outcomes: 5_000 } as const

/** One round of either measurement. */
export interface Round {
  /** Submits answered with 202, or outcomes recorded. */
  readonly done: number
  readonly elapsedMs: number
}

export interface SubmitRound extends Round {
  readonly p50Ms: number
  readonly p99Ms: number
}

interface CpuReading {
  readonly label: string
  readonly cpuSeconds: number
}

export interface DurabilityReport {
  /** `PostgreSQL 15.10`, or what stood in for it. */
  readonly database: string
  readonly connections: number
  readonly submits: readonly SubmitRound[]
  readonly outcomes: readonly Round[]
  /** Rows that one outcome makes: its job's, its bill's, its attempt's cost. */
  readonly rowsPerOutcome: number
  /** Microseconds of CPU for each, by process: what a busy machine changes least. */
  readonly cpuMicros: Readonly<Record<'submit' | 'outcome', Readonly<Record<string, number>>>>
}

export function perSecond({ done, elapsedMs }: Round): number {
  return elapsedMs > 0 ? (done * 1000) / elapsedMs : 0
}

/** Both rates against their goals; the median of the rounds is what counts. */
export function renderDurability(report: DurabilityReport): string {
  const { database, connections, submits, outcomes, rowsPerOutcome } = report
  const submitRates = submits.map(perSecond)
  const outcomeRates = outcomes.map(perSecond)
  const rows = [
    row(`asynchronous submits, committed, ${connections} connections`, submitRates, durabilityGoals.submits),
    row('outcomes recorded', outcomeRates, durabilityGoals.outcomes),
  ]
  const table = formatTable(['what, a second', 'median', 'least', 'most', 'goal', 'met'], rows)
  const latencies = `submits: p50 ${formatNumber(median(submits.map(({ p50Ms }) => p50Ms)))} ms, p99 ${formatNumber(median(submits.map(({ p99Ms }) => p99Ms)))} ms`
  const written = `outcomes: ${formatNumber(median(outcomeRates) * rowsPerOutcome)} rows a second, ${rowsPerOutcome} for each`
  const { submit, outcome } = report.cpuMicros
  return `${database}, ${submits.length} rounds\n\n${table}\n\n${latencies}; ${cpu(submit)}\n${written}; ${cpu(outcome)}`
}

function cpu(micros: Readonly<Record<string, number>>): string {
  const parts = Object.entries(micros).map(([label, each]) => `${label} ${formatNumber(each)}`)
  return `µs of CPU for each: ${parts.join(', ')}`
}

/** CPU seconds by process, less those of an earlier reading, for each of `done`. */
export function cpuForEach(
  before: readonly CpuReading[],
  after: readonly CpuReading[],
  done: number,
): Record<string, number> {
  const used = after.map(({ label, cpuSeconds }, place): [string, number] => [
    label,
    ((cpuSeconds - (before[place]?.cpuSeconds ?? 0)) * 1e6) / done,
  ])
  return Object.fromEntries(used.filter(([, micros]) => micros >= 1))
}

function row(what: string, rates: readonly number[], goal: number): string[] {
  const [least, most] = [Math.min(...rates), Math.max(...rates)]
  const met = median(rates) >= goal ? 'yes' : 'NO'
  return [what, formatNumber(median(rates)), formatNumber(least), formatNumber(most), `≥ ${formatNumber(goal)}`, met]
}
