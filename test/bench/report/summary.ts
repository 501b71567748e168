import type { CommandUse } from '../measure/redis-commands.ts'
import { differences, median, type Percentiles, percentilesOf, type Spread, spreadOf } from '../measure/statistics.ts'
import { targetNames } from '../targets/target.ts'
import type { FaultRun, FaultsResult } from './cell-results.ts'
import type { BenchReport, CellResult, FirstTokenResult, LatencyResult, ThroughputResult } from './results.ts'

export interface ThroughputRow {
  readonly target: string
  readonly requestsPerSecond: Spread
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of all the target's processes together. */
  readonly cpuSecondsPer1000: number
  readonly wrongAnswers: number
}

/** One row per target: medians over the repeats. */
export function throughputRows(cell: Pick<ThroughputResult, 'runs'>): ThroughputRow[] {
  return targetsOf(cell).map((target) => {
    const runs = cell.runs.filter((run) => run.target === target)
    const totalCpu = runs.map((run) => run.processes.reduce((sum, use) => sum + use.cpuSecondsPer1000, 0))
    return {
      target,
      requestsPerSecond: spreadOf(runs.map((run) => run.requestsPerSecond)),
      p50Ms: median(runs.map((run) => run.p50Ms)),
      p99Ms: median(runs.map((run) => run.p99Ms)),
      cpuSecondsPer1000: runs.some((run) => run.processes.length > 0) ? median(totalCpu) : Number.NaN,
      wrongAnswers: runs.reduce((sum, run) => sum + countFaults(run.faults), 0),
    }
  })
}

/** How many times the requests per second of another target, repeat by repeat. Null when one of them is missing. */
export function throughputRatio(cell: ThroughputResult, target: string, other: string): Spread | null {
  const rate = (name: string, repeat: number): number | undefined =>
    cell.runs.find((run) => run.target === name && run.repeat === repeat)?.requestsPerSecond
  const ratios: number[] = []
  for (const { repeat } of cell.runs.filter((run) => run.target === target)) {
    const [own, others] = [rate(target, repeat), rate(other, repeat)]
    if (own !== undefined && others !== undefined) ratios.push(own / others)
  }
  return ratios.length === 0 ? null : spreadOf(ratios)
}

export interface ProcessRow {
  readonly target: string
  readonly label: string
  readonly cpuSecondsPer1000: number
  readonly peakRssMib: number
  /** NaN where the run does not say. */
  readonly pssMib: number
}

/** What each process of each target uses, the simulator and the load generator at the end. */
export function processRows(cell: ThroughputResult): ProcessRow[] {
  const uses = cell.runs.flatMap((run) => [
    ...run.processes.map((use) => ({ ...use, target: run.target as string })),
    ...run.around.map((use) => ({ ...use, target: `(under ${run.target})` })),
  ])
  const keys = [...new Set(uses.map(({ target, label }) => `${target}\n${label}`))]
  return keys.map((key) => {
    const [target = '', label = ''] = key.split('\n')
    const own = uses.filter((use) => use.target === target && use.label === label)
    return {
      target,
      label,
      cpuSecondsPer1000: median(own.map((use) => use.cpuSecondsPer1000)),
      peakRssMib: Math.max(...own.map((use) => use.peakRssMib)),
      pssMib: Math.max(...own.map((use) => use.pssMib ?? Number.NaN)),
    }
  })
}

export interface CommandRow {
  readonly command: string
  readonly callsPerRequest: number
  readonly microsecondsPerRequest: number
}

/** Redis commands for one request, over all repeats, the most called first. */
export function commandRows(cell: ThroughputResult): CommandRow[] {
  const runs = cell.runs.filter((run) => run.redisCommands !== undefined)
  const requests = runs.reduce((sum, run) => sum + run.completed, 0)
  const totals = new Map<string, CommandUse>()
  for (const { command, calls, microseconds } of runs.flatMap((run) => run.redisCommands ?? [])) {
    const total = totals.get(command)
    totals.set(command, {
      command,
      calls: (total?.calls ?? 0) + calls,
      microseconds: (total?.microseconds ?? 0) + microseconds,
    })
  }
  return [...totals.values()]
    .map(({ command, calls, microseconds }) => ({
      command,
      callsPerRequest: calls / requests,
      microsecondsPerRequest: microseconds / requests,
    }))
    .toSorted((a, b) => b.callsPerRequest - a.callsPerRequest)
}

/** What a target adds to the direct call, in ms: percentiles of the differences, round by round. */
export function addedLatency(cell: LatencyResult, target: string): Percentiles | null {
  return addedPercentiles(cell.totalMs, target)
}

/** Percentiles of the differences to the direct call, round by round. Null when one of them was not measured. */
export function addedPercentiles(
  totalMs: Readonly<Record<string, readonly number[]>>,
  target: string,
): Percentiles | null {
  const [own, direct] = [totalMs[target], totalMs['direct']]
  return own === undefined || direct === undefined ? null : percentilesOf(differences(own, direct))
}

/**
 * What a target adds to the time to the first token, in ms. One stream at a time: percentiles of the differences. Many
 * at once have no pairs: differences of the percentiles.
 */
export function addedFirstToken(cell: FirstTokenResult, target: string): Percentiles | null {
  const [own, direct] = [cell.firstTokenMs[target], cell.firstTokenMs['direct']]
  if (own === undefined || direct === undefined) return null
  if (cell.streams === 1) return percentilesOf(differences(own, direct))
  const [with_, without] = [percentilesOf(own), percentilesOf(direct)]
  return { p50: with_.p50 - without.p50, p90: with_.p90 - without.p90, p99: with_.p99 - without.p99 }
}

/** The peers that take the place of inferq; the pass-through is a floor, not one of them. */
const peers = ['portkey', 'litellm']

/**
 * Requests lost under the kinds of fault (a kill, a stall, a cut) under which a peer lost some: by inferq with this client
 * and by the peers. Null when inferq or every peer is missing. Where no peer lost any, every kind counts.
 */
export function lostUnder(
  { runs }: FaultsResult,
  client: FaultRun['client'],
): { readonly own: number; readonly peers: number } | null {
  const own = runs.filter((run) => run.target === 'inferq' && run.client === client)
  const others = runs.filter((run) => peers.includes(run.target))
  if (own.length === 0 || others.length === 0) return null
  const costly = new Set(others.filter((run) => countLost(run) > 0).map(kindOfFault))
  const sum = (list: readonly FaultRun[]): number =>
    list
      .filter((run) => costly.size === 0 || costly.has(kindOfFault(run)))
      .reduce((total, run) => total + countLost(run), 0)
  return { own: sum(own), peers: sum(others) }
}

/** Whatever is killed, and whoever's it is. */
function kindOfFault({ fault }: FaultRun): string {
  return fault.startsWith('kill ') ? 'kill' : fault
}

function countLost({ refused, broken }: FaultRun): number {
  return countFaults(refused) + countFaults(broken)
}

/** Every wrong answer of the run, by cell and kind, and every cell that failed. Empty: there was none. */
export function allFaults(
  report: BenchReport,
): { readonly cell: string; readonly fault: string; readonly count: number }[] {
  const wrong = report.cells.flatMap((cell) =>
    faultsOf(cell).flatMap(([fault, count]) => (count === 0 ? [] : [{ cell: cell.name, fault, count }])),
  )
  const failed = report.failures?.map(({ cell, message }) => ({ cell, fault: `the cell failed: ${message}`, count: 1 }))
  return [...wrong, ...(failed ?? [])]
}

export function findCell<Kind extends CellResult['kind']>(
  report: BenchReport,
  kind: Kind,
  name: string,
): Extract<CellResult, { kind: Kind }> | undefined {
  const isIt = (cell: CellResult): cell is Extract<CellResult, { kind: Kind }> =>
    cell.kind === kind && cell.name === name
  return report.cells.find(isIt)
}

function targetsOf(cell: Pick<ThroughputResult, 'runs'>): string[] {
  return [...new Set(cell.runs.toSorted((a, b) => a.repeat - b.repeat).map((run) => run.target))].toSorted(byFame)
}

/** From the least between client and upstream to the most. */
const fame: readonly string[] = targetNames
export function byFame(one: string, other: string): number {
  return fame.indexOf(one) - fame.indexOf(other)
}

function faultsOf(cell: CellResult): [string, number][] {
  if (cell.kind !== 'throughput') return Object.entries(cell.faults)
  return cell.runs.flatMap((run) =>
    Object.entries(run.faults).map(([fault, count]): [string, number] => [`${run.target}: ${fault}`, count]),
  )
}

function countFaults(faults: Readonly<Record<string, number>>): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0)
}
