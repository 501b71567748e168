import { formatTable } from '../../bench/report/format.ts'
import { promiseOf } from '../history/history.ts'
import type { InjectedFault, Recovery, RunResult, RunRule, RunViolation } from './run.ts'

/** The promises of docs/guarantees.md in few words, by their numbers. */
const promises: Readonly<Record<number, string>> = {
  1: 'accepted is kept',
  2: 'one end',
  3: 'one bill',
  4: 'readers miss nothing',
  5: 'others go on',
  6: 'limits hold',
  7: 'left is not paid for',
  8: 'nothing hangs',
}

const promiseOfAll: Readonly<Record<RunViolation['rule'], number>> = {
  ...promiseOf,
  'nothing-crashes': 5,
  'comes-back': 5,
  'nothing-is-left': 2,
} satisfies Record<RunRule, number>

const recoveryNames: Readonly<Record<Recovery['after'], string>> = {
  'worker-killed': 'jobs of a killed worker go on elsewhere',
  'redis-restarted': 'first answer after Redis is back',
}

/** Those that no fault can be blamed for, and what is wrong at the end, which any may have caused. */
const noFault = 'none of them'
const toldViolations = 20

/**
 * The result as text that reads well in a terminal and as Markdown: how often each fault struck and whom, violations by
 * fault and promise, recoveries, totals, and how to run it again.
 *
 * @param command the command line of this run, for whoever wants to see it again
 */
export function renderReport(result: RunResult, command: string): string {
  const { accepted, answered, refused, violations } = result
  const totals = [
    `${count(accepted)} jobs accepted, ${count(answered)} requests answered, ${count(refused)} refused and tried again;`,
    `${count(result.injected.length)} faults; ${count(violations.length)} violations.`,
  ].join(' ')
  const recoveries = recoveryTable(result.recoveries)
  return [
    faultTable(result),
    totals,
    ...(recoveries === null ? [] : [recoveries]),
    ...(violations.length === 0 ? [] : [violationList(violations)]),
    `Seed ${result.seed}. To run it again: \`${command}\``,
  ].join('\n\n')
}

/** A row for each fault that struck, a column for each promise that some rule watches over: violations. */
function faultTable({ injected, violations }: RunResult): string {
  const watched = [...new Set(Object.values(promiseOfAll))].toSorted((a, b) => a - b)
  const headings = ['fault', 'times', 'struck', ...watched.map((promise) => `${promise} ${promises[promise]}`)]
  const byFault = Map.groupBy(injected, ({ fault }) => fault)
  const rows = [...byFault.keys()].toSorted().map((name) => {
    const times = byFault.get(name) ?? []
    const during = violations.filter(({ faults }) => faults.includes(name))
    return [name, count(times.length), count(jobsStruck(times)), ...cells(watched, during)]
  })
  const without = violations.filter(({ faults }) => faults.length === 0)
  if (without.length > 0) rows.push([noFault, '–', '–', ...cells(watched, without)])
  const all = ['**all**', count(injected.length), count(jobsStruck(injected)), ...cells(watched, violations)]
  return formatTable(headings, [...rows, all])
}

function cells(watched: readonly number[], violations: readonly RunViolation[]): string[] {
  return watched.map((promise) => count(violations.filter(({ rule }) => promiseOfAll[rule] === promise).length))
}

function jobsStruck(times: readonly InjectedFault[]): number {
  return times.reduce((sum, { struck }) => sum + struck, 0)
}

/** Null when nothing was measured. */
function recoveryTable(recoveries: readonly Recovery[]): string | null {
  const kinds = Object.keys(recoveryNames) as Recovery['after'][]
  const rows = kinds.flatMap((after) =>
    [false, true].flatMap((isDisturbed) => {
      const seconds = recoveries
        .filter((one) => one.after === after && one.isDisturbed === isDisturbed)
        .map((one) => one.seconds)
        .toSorted((a, b) => a - b)
      if (seconds.length === 0) return []
      const name = `${recoveryNames[after]}${isDisturbed ? ', another fault at once' : ''}`
      return [[name, count(seconds.length), ...[0.5, 0.99, 1].map((share) => atShare(seconds, share).toFixed(2))]]
    }),
  )
  return rows.length === 0 ? null : formatTable(['recovery (s)', 'times', 'p50', 'p99', 'max'], rows)
}

/** Nearest rank. */
function atShare(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

function violationList(violations: readonly RunViolation[]): string {
  const lines = violations
    .slice(0, toldViolations)
    .map(({ rule, jobId, detail, faults }) => `- ${rule} (${jobId}; ${faults.join(', ') || noFault}): ${detail}`)
  const more = violations.length - lines.length
  return [...lines, ...(more > 0 ? [`- and ${count(more)} more`] : [])].join('\n')
}

function count(value: number): string {
  return value.toLocaleString('en-US')
}
