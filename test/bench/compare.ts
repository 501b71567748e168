import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { measureTarget, parseLoadShape } from './cells/throughput.ts'
import { prepareCheckout } from './checkout.ts'
import { median, spreadOf } from './measure/statistics.ts'
import type { Command } from './options.ts'
import { formatNumber, formatSpread, formatTable } from './report/format.ts'
import type { ProcessUse, ThroughputRun } from './report/results.ts'
import { type Session, type Workplace, withSession } from './session.ts'
import { type InferqTarget, startInferq } from './targets/inferq.ts'
import { models } from './targets/models.ts'

const versions = ['base', 'this'] as const
type Version = (typeof versions)[number]

const firstRoundMs = 4_000

type Round = Readonly<Record<Version, ThroughputRun>>

/**
 * Two checkouts of the project, both running, loaded in turns: this one and a base. Gives a table of the rounds and the
 * ratios over them, above 1 where this checkout does more requests, or needs less CPU for one.
 */
export function compareCheckouts(
  command: Extract<Command, { kind: 'compare' }>,
  workplace: Workplace,
): Promise<string> {
  const { connections, stream } = parseLoadShape(command.cell)
  return withSession(workplace, async (session) => {
    const { folder, environment } = session.surroundings
    const base = await prepareCheckout(command.base, workplace.root, folder, environment)
    const stacks = {
      base: await startVersion(session, 'base', base),
      this: await startVersion(session, 'this', workplace.root),
    }
    const call = session.call(models.instant, stream)
    const rounds: Round[] = []
    // The first round, a long one, warms both up and is forgotten.
    for (let round = -1; round < command.rounds; round += 1) {
      const runs: Partial<Record<Version, ThroughputRun>> = {}
      const extent = { warmUpMs: 300, durationMs: round < 0 ? firstRoundMs : command.seconds * 1000 }
      for (const version of round % 2 === 0 ? versions : versions.toReversed()) {
        runs[version] = await measureTarget({ ...session, extent }, stacks[version], call, connections, round)
        workplace.progress(`round ${round + 1} ${version} ${Math.round(runs[version].requestsPerSecond)}/s`)
      }
      if (round >= 0) rounds.push(runs as Round)
    }
    return describeRounds(rounds, command.cell)
  })
}

async function startVersion(session: Session, version: Version, root: string): Promise<InferqTarget> {
  const folder = join(session.surroundings.folder, version)
  mkdirSync(folder)
  const target = await startInferq({ ...session.surroundings, folder, root })
  session.defer(target.stop)
  return target
}

function describeRounds(rounds: readonly Round[], cell: string): string {
  const rows = rounds.map((round, index) => [
    String(index + 1),
    formatNumber(round.base.requestsPerSecond),
    formatNumber(round.this.requestsPerSecond),
    ratioOf(round, rate).toFixed(3),
    formatNumber(cpu(round.base)),
    formatNumber(cpu(round.this)),
    ratioOf(round, (run) => 1 / cpu(run)).toFixed(3),
    String(wrong(round.base) + wrong(round.this)),
  ])
  const headings = ['round', 'base/s', 'this/s', 'this ÷ base', 'base CPU', 'this CPU', 'base ÷ this', 'wrong']
  const line = (what: string, figure: (run: ThroughputRun) => number): string => {
    const { median, min, max } = spreadOf(rounds.map((round) => ratioOf(round, figure)))
    return `${what}: ${median.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`
  }
  return [
    formatTable(headings, rows),
    '',
    `${cell}, ${rounds.length} rounds in turns, this checkout against the base; CPU in seconds per 1,000 requests`,
    line('requests per second', rate),
    line('requests per second of CPU', (run) => 1 / cpu(run)),
    '',
    formatTable(processHeadings, processRows(rounds)),
  ].join('\n')
}

const processHeadings = ['process', 'base CPU', 'this CPU', 'base ÷ this (min–max)', 'base peak MB', 'this peak MB']

/** Process by process, since a change in one of them is soon lost in the sum. */
function processRows(rounds: readonly Round[]): string[][] {
  const labels = rounds[0]?.this.processes.map((use) => use.label) ?? []
  return labels.map((label) => {
    const uses = (version: Version): ProcessUse[] =>
      rounds.flatMap((round) => round[version].processes.filter((use) => use.label === label))
    const [base, own] = [uses('base'), uses('this')]
    const ratios = base.map((use, index) => use.cpuSecondsPer1000 / (own[index]?.cpuSecondsPer1000 ?? Number.NaN))
    return [
      label,
      ...[base, own].map((list) => formatNumber(median(list.map((use) => use.cpuSecondsPer1000)))),
      formatSpread(spreadOf(ratios)),
      ...[base, own].map((list) => formatNumber(Math.max(...list.map((use) => use.peakRssMib)))),
    ]
  })
}

function rate(run: ThroughputRun): number {
  return run.requestsPerSecond
}

function cpu(run: ThroughputRun): number {
  return run.processes.reduce((sum, use) => sum + use.cpuSecondsPer1000, 0)
}

function wrong(run: ThroughputRun): number {
  return Object.values(run.faults).reduce((sum, count) => sum + count, 0)
}

function ratioOf(round: Round, figure: (run: ThroughputRun) => number): number {
  return figure(round.this) / figure(round.base)
}
