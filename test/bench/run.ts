import { execFileSync } from 'node:child_process'
import { type CellContext, type Extent, fullExtent, quickExtent } from './cells/cell.ts'
import { pickCells } from './cells/index.ts'
import { describeMachine } from './measure/machine.ts'
import type { Command } from './options.ts'
import type { BenchReport, CellResult, TargetInfo } from './report/results.ts'
import { type Session, type Workplace, withSession } from './session.ts'
import { type InferqTarget, startInferq } from './targets/inferq.ts'
import { models } from './targets/models.ts'
import { startPassThrough } from './targets/pass-through.ts'
import { startPortkey } from './targets/portkey.ts'
import { createDirectTarget } from './targets/simulator.ts'
import { type Target, type TargetName, TargetUnavailable } from './targets/target.ts'

type RunCommand = Extract<Command, { kind: 'run' }>

/** Runs the cells against the targets and gives everything that was measured. */
export function runBench(command: RunCommand, workplace: Workplace): Promise<BenchReport> {
  const startedAt = new Date().toISOString()
  const cells = pickCells(command.cells)
  const extent = command.quick ? quickExtent : fullExtent
  return withSession(workplace, async (session) => {
    const { infos, targets, inferq } = await startTargets(session, command, workplace)
    const context: CellContext = { ...session, targets, inferq, extent, progress: workplace.progress }
    await warmUp(context, extent)
    const results: CellResult[] = []
    for (const cell of cells) {
      workplace.progress(`cell ${cell.name}`)
      const result = await cell.run(context)
      if (result === null) workplace.progress(`${cell.name} skipped: it needs inferq`)
      else results.push(result)
    }
    return {
      format: 1,
      startedAt,
      command: describeCommand(command),
      quick: command.quick,
      machine: describeMachine(),
      commit: describeCommit(workplace.root),
      targets: infos,
      cells: results,
    }
  })
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

function describeCommand({ quick, cells, targets, databaseUrl }: RunCommand): string {
  const flags = [
    ...(quick ? ['--quick'] : []),
    ...(cells.length > 0 ? ['--cell', cells.join(',')] : []),
    ...(targets.length < 4 ? ['--targets', targets.join(',')] : []),
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
