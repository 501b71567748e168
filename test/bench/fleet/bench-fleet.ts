import { percentile } from '../measure/statistics.ts'
import type { Command } from '../options.ts'
import { writeText } from '../report/files.ts'
import { formatNumber, formatTable } from '../report/format.ts'
import { type Figures, figuresOf, targetSeconds } from './figures.ts'
import type { Fleet, FleetJob } from './fleet.ts'
import { policies } from './policies.ts'
import { oneAgainstMany, oneTwoFour, sharesOut, tenToOne, usualFleet, usualShapes } from './scenarios.ts'
import { type FleetRun, simulate } from './simulate.ts'
import { readTrace } from './trace-file.ts'
import { generateTrace } from './workload.ts'

type FleetCommand = Extract<Command, { kind: 'fleet' }>

/** GPUs and slots of each, for the one job against a thousand. */
const contests: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 8],
  [4, 8],
  [10, 16],
]

/** Runs the same arrivals under every policy, and gives the tables, as text that is Markdown too. No I/O but its files. */
export function benchFleet(command: FleetCommand, { progress }: { progress(line: string): void }): string {
  const fleet = usualFleet(command.gpus)
  const parts: string[] = [`\`${reproduce(command)}\``]
  if (command.trace !== undefined) parts.push(compare(fleet, readTrace(command.trace), command.trace, progress))
  else {
    for (const load of command.loads) {
      const jobs = generateTrace({ ...command, fleet, shapes: usualShapes, load })
      parts.push(compare(fleet, jobs, `load ${load}`, progress))
    }
    progress('one job against a thousand')
    parts.push(contestTable(command.seed))
    progress('shares')
    parts.push(sharesTable(command.seed))
  }
  const text = parts.join('\n\n')
  if (command.out !== undefined) writeText(command.out, `${text}\n`)
  return text
}

function reproduce({ gpus, tenants, jobs, loads, seed, trace }: FleetCommand): string {
  const arrivals =
    trace === undefined
      ? `--tenants ${tenants} --jobs ${jobs} --load ${loads.join(',')} --seed ${seed}`
      : `--trace ${trace}`
  return `npm run bench -- fleet --gpus ${gpus} ${arrivals}`
}

function compare(fleet: Fleet, jobs: readonly FleetJob[], title: string, progress: (line: string) => void): string {
  const rows = policies.map((policy) => {
    progress(`${title}: ${policy.name}`)
    const run = simulate(fleet, jobs, policy)
    return rowOf(policy.name, figuresOf(jobs, run), run)
  })
  const gpus = fleet.pools.reduce((sum, pool) => sum + pool.gpus, 0)
  const tenants = new Set(jobs.map((job) => job.tenant)).size
  const seconds = formatNumber(jobs.at(-1)?.at)
  const { priority, default: usual, flex } = targetSeconds
  const facts = `${jobs.length.toLocaleString('en-US')} jobs of ${tenants} tenants in ${seconds} s on ${gpus} GPUs; in time: started within ${priority} s (priority), ${usual} s (default), ${flex} s (flex)`
  return `**${title}**: ${facts}\n\n${formatTable(headings, rows)}`
}

const headings = [
  'policy',
  'in time %',
  'in time/s',
  'tenants ≥ 95 % in time',
  'tokens/s',
  'priority p50–p99 s',
  'default p50–p99 s',
  'flex p50–p99 s',
  'Jain (default)',
  'swaps',
  'busy %',
  'loading %',
]

function rowOf(name: string, figures: Figures, run: FleetRun): string[] {
  const { priority, default: usual, flex } = figures.waits
  return [
    name,
    formatNumber(100 * figures.inTime),
    formatNumber(figures.inTimePerSecond),
    String(figures.wellServed),
    formatNumber(figures.tokensPerSecond),
    ...[priority, usual, flex].map(({ p50, p99 }) => `${formatNumber(p50)}–${formatNumber(p99)}`),
    Number.isNaN(figures.jain) ? '–' : figures.jain.toFixed(2),
    run.swaps.toLocaleString('en-US'),
    formatNumber(100 * run.busyShare),
    formatNumber(100 * run.loadingShare),
  ]
}

/** Without swaps the last two policies are the same. */
function contestTable(seed: number): string {
  const rows = contests.map(([gpus, slots]) => {
    const waits = policies.slice(0, 3).flatMap((policy) => {
      const { waits } = oneAgainstMany(policy, gpus, slots, seed)
      return [formatNumber(percentile(waits, 0.5)), formatNumber(Math.max(...waits))]
    })
    return [`${gpus} × ${slots}`, ...waits]
  })
  const names = policies.slice(0, 3).flatMap(({ name }) => [`${name} p50`, `${name} most`])
  const title =
    "**One job against a thousand**: how long one tenant's job waits behind another's 1,000, in service times"
  return `${title}\n\n${formatTable(['GPUs × slots', ...names], rows)}`
}

function sharesTable(seed: number): string {
  const rows = policies.slice(0, 3).map((policy) => {
    const contests = [tenToOne, oneTwoFour].map((tenants) => sharesOut(policy, tenants, seed))
    return [policy.name, ...contests.flatMap(({ jain, worst }) => [jain.toFixed(3), formatNumber(100 * worst)])]
  })
  const title =
    '**Shares**: tokens ÷ weight of twelve tenants that all ask for more than they can have, in tier default'
  const names = ['equal weights, 10 : 1 asked', 'weights 1 : 2 : 4, equal asked']
  return `${title}\n\n${formatTable(['policy', ...names.flatMap((name) => [`${name}: Jain`, 'farthest off %'])], rows)}`
}
