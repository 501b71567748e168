import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Cell, type CellContext, type Extent, fullExtent, quickExtent } from './cells/cell.ts'
import { pickCells } from './cells/index.ts'
import { findPinning, type Pinning } from './measure/affinity.ts'
import { describeMachine } from './measure/machine.ts'
import type { Command } from './options.ts'
import type { BenchReport, CellFailure, CellResult, TargetInfo } from './report/results.ts'
import { type Session, type Workplace, withSession } from './session.ts'
import { type InferqTarget, startInferq } from './targets/inferq.ts'
import { startLitellm } from './targets/litellm.ts'
import { models } from './targets/models.ts'
import { startPassThrough } from './targets/pass-through.ts'
import { startPortkey } from './targets/portkey.ts'
import { createDirectTarget } from './targets/simulator.ts'
import { type Target, type TargetName, TargetUnavailable, targetNames } from './targets/target.ts'

type RunCommand = Extract<Command, { kind: 'run' }>

/** Runs the cells against the targets and gives everything that was measured. */
export function runBench(command: RunCommand, workplace: Workplace): Promise<BenchReport> {
  const startedAt = new Date().toISOString()
  const cells = pickCells(command.cells)
  const extent = extentOf(command)
  const pinning = findPinning()
  const pinned = command.pin ? pinning : undefined
  if (command.pin && pinned === undefined) workplace.progress(`NOT PINNED: ${noPinning}`)
  const work = async (session: Session): Promise<BenchReport> => {
    const { infos, targets, inferq } = await startTargets(session, command, workplace)
    const context: CellContext = {
      ...session,
      targets,
      inferq,
      extent,
      // All of a pinned run is: there is nothing left to pin in it.
      pinning: command.pin ? undefined : pinning,
      startInferq: (name) => startInferqOf(session, command, workplace, name),
      progress: workplace.progress,
    }
    workplace.progress(describeEstimate(cells, extent, targets.length))
    await warmUp(context, extent)
    const measured = await runCells(cells, context)
    return {
      format: 1,
      startedAt,
      command: describeCommand(command),
      ...(pinned === undefined ? {} : { pinned: describePinning(pinned) }),
      quick: command.quick,
      machine: describeMachine(),
      commit: describeCommit(workplace.root),
      targets: infos,
      ...measured,
    }
  }
  return withSession(workplace, work, pinned)
}

/** A cell that fails is told, and kept as a failure: the others of a long run are not lost with it. */
async function runCells(
  all: readonly Cell[],
  context: CellContext,
): Promise<Required<Pick<BenchReport, 'cells' | 'failures'>>> {
  const cells: CellResult[] = []
  const failures: CellFailure[] = []
  for (const cell of all) {
    const { name } = cell
    context.progress(`cell ${name}`)
    try {
      const result = await cell.run(context)
      if (result === null) context.progress(`${name} left out`)
      else cells.push(result)
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      context.progress(`${name} FAILED: ${message}`)
      failures.push({ cell: name, message })
    }
  }
  return { cells, failures }
}

const noPinning = 'it takes Linux, taskset (util-linux) and two cores'

function describePinning({ target, around }: Pinning): string {
  return `each target on core ${target}, upstream and load generator on core ${around}`
}

function extentOf({ quick, requests }: RunCommand): Extent {
  const extent = quick ? quickExtent : fullExtent
  return requests === undefined ? extent : { ...extent, requests }
}

function describeEstimate(cells: readonly Cell[], extent: Extent, targets: number): string {
  const seconds = cells.reduce((sum, cell) => sum + cell.seconds(extent, targets), 0)
  return `${cells.length} cells, ${targets} targets: about ${Math.ceil(seconds / 60)} min`
}

/** Beside the one in `targets`. The cell stops it; the session does where the cell fails. */
async function startInferqOf(
  session: Session,
  command: RunCommand,
  workplace: Workplace,
  name: string,
): Promise<InferqTarget> {
  const { surroundings } = session
  const own = { folder: join(surroundings.folder, name), root: workplace.root, databaseUrl: command.databaseUrl }
  mkdirSync(own.folder, { recursive: true })
  const inferq = await startInferq({ ...surroundings, ...own, inspect: true })
  session.defer(inferq.stop)
  return inferq
}

interface StartedTargets {
  readonly infos: readonly TargetInfo[]
  readonly targets: readonly Target[]
  readonly inferq: InferqTarget | undefined
}

/** One after the other; one that cannot be had here is told and left out. Anything else that fails, fails the run. */
async function startTargets(session: Session, command: RunCommand, workplace: Workplace): Promise<StartedTargets> {
  const { surroundings } = session
  const infos: TargetInfo[] = []
  const targets: Target[] = []
  let inferq: InferqTarget | undefined
  const starts: Record<TargetName, () => Promise<Target>> = {
    direct: async () => createDirectTarget(surroundings.upstreamUrl),
    'pass-through': () => startPassThrough(surroundings),
    portkey: () => startPortkey(surroundings),
    litellm: () => startLitellm(surroundings),
    async inferq() {
      inferq = await startInferq({ ...surroundings, root: workplace.root, databaseUrl: command.databaseUrl })
      return inferq
    },
  }
  for (const name of command.targets) {
    try {
      const target = await starts[name]()
      session.defer(target.stop)
      targets.push(target)
      infos.push({ name, description: target.description, version: target.version })
      workplace.progress(`${name} is up`)
    } catch (thrown) {
      if (!(thrown instanceof TargetUnavailable)) throw thrown
      infos.push({ name, description: '', version: '', skipped: thrown.message })
      workplace.progress(`${name} SKIPPED: ${thrown.message}`)
    }
  }
  return { infos, targets, inferq }
}

const warmUpConnections = 32

/** Code is compiled and connections are open before the first cell. */
async function warmUp({ targets, load, call }: CellContext, extent: Extent): Promise<void> {
  for (const { endpoint } of targets) {
    for (const stream of [false, true]) {
      const task = { kind: 'closed-loop', endpoint, connections: warmUpConnections } as const
      await load.run<'closed-loop'>({
        ...task,
        call: call(models.instant, stream),
        durationMs: 2 * extent.warmUpMs,
      })
    }
  }
}

function describeCommand({ quick, pin, cells, targets, requests, databaseUrl }: RunCommand): string {
  const flags = [
    ...(quick ? ['--quick'] : []),
    ...(pin ? ['--pin'] : []),
    ...(cells.length > 0 ? ['--cell', cells.join(',')] : []),
    ...(targets.length < targetNames.length ? ['--targets', targets.join(',')] : []),
    ...(requests === undefined ? [] : ['--requests', String(requests)]),
    ...(databaseUrl === undefined ? [] : ['--database-url', '…']),
  ]
  return ['npm run bench', ...(flags.length > 0 ? ['--', ...flags] : [])].join(' ')
}

function describeCommit(root: string): string | null {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+')
  } catch {
    return null
  }
}
