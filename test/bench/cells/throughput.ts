import type { ChatCall } from '../load/protocol.ts'
import { type ProcessReading, readProcesses, resetPeaks, type TrackedProcess } from '../measure/processes.ts'
import { commandsBetween, createRedisProbe, type RedisProbe } from '../measure/redis-commands.ts'
import { alternated } from '../measure/statistics.ts'
import type { ProcessUse, ThroughputResult, ThroughputRun } from '../report/results.ts'
import { models } from '../targets/models.ts'
import type { Target } from '../targets/target.ts'
import type { Cell, CellContext, Extent } from './cell.ts'

interface ThroughputCell extends Cell {
  run(context: CellContext): Promise<ThroughputResult>
}

/**
 * Closed loop against the instant model, every target in turn, some times over.
 * @param isQueued against the one whose class has room for a few at once
 */
export function createThroughputCell(connections: number, stream: boolean, isQueued = false): ThroughputCell {
  const name = `${stream ? 'stream-' : ''}c${connections}${isQueued ? '-queued' : ''}`
  return {
    name,
    seconds: ({ repeats, warmUpMs, durationMs }, targets) => (repeats * targets * (warmUpMs + durationMs)) / 1000,
    async run(context) {
      const { targets, extent } = context
      const call = context.call(isQueued ? models.narrow : models.instant, stream)
      const runs: ThroughputRun[] = []
      for (let repeat = 0; repeat < extent.repeats; repeat += 1) {
        for (const target of alternated(targets, repeat)) {
          const run = await measureTarget(context, target, call, connections, repeat)
          context.progress(`${name} ${target.name} ${Math.round(run.requestsPerSecond)}/s`)
          runs.push(run)
        }
      }
      return { kind: 'throughput', name, connections, stream, durationMs: extent.durationMs, runs }
    },
  }
}

export interface LoadShape {
  readonly connections: number
  readonly stream: boolean
}

/** The load of a closed-loop cell by its name: `c128`, `stream-c32`. Throws for another name. */
export function parseLoadShape(name: string): LoadShape {
  const match = /^(stream-)?c([1-9]\d{0,3})$/.exec(name)
  if (match === null) throw new Error(`${name} is no closed-loop cell, such as c128 or stream-c32`)
  return { stream: match[1] !== undefined, connections: Number(match[2]) }
}

/** One run: warm up, then load for the time of the extent, and what everything used meanwhile. */
export async function measureTarget(
  context: Pick<CellContext, 'load' | 'simulator'> & { readonly extent: Pick<Extent, 'warmUpMs' | 'durationMs'> },
  target: Target,
  call: ChatCall,
  connections: number,
  repeat: number,
): Promise<ThroughputRun> {
  const { load, simulator, extent } = context
  const task = { kind: 'closed-loop', endpoint: target.endpoint, call, connections } as const
  const around = [
    { label: 'simulator', pid: simulator.pid },
    { label: 'load', pid: load.pid },
  ]
  const probe = target.redisUrl === undefined ? undefined : await createRedisProbe(target.redisUrl)
  try {
    await load.run<'closed-loop'>({ ...task, durationMs: extent.warmUpMs })
    const before = await look(target.processes, around, probe)
    const result = await load.run<'closed-loop'>({ ...task, durationMs: extent.durationMs })
    const after = await look(target.processes, around, probe)
    const { completed, elapsedMs, faults, p50Ms, p99Ms } = result
    return {
      target: target.name,
      repeat,
      requestsPerSecond: (completed / elapsedMs) * 1000,
      completed,
      faults,
      p50Ms,
      p99Ms,
      processes: usesBetween(before.own, after.own, completed),
      around: usesBetween(before.around, after.around, completed),
      ...(probe === undefined ? {} : { redisCommands: commandsBetween(before.commands, after.commands) }),
    }
  } finally {
    await probe?.close()
  }
}

async function look(own: readonly TrackedProcess[], around: readonly TrackedProcess[], probe: RedisProbe | undefined) {
  const readings = { own: readProcesses(own), around: readProcesses(around), commands: (await probe?.read()) ?? [] }
  resetPeaks(own)
  return readings
}

function usesBetween(
  before: readonly ProcessReading[],
  after: readonly ProcessReading[],
  completed: number,
): ProcessUse[] {
  return after.map(({ label, cpuSeconds, pssBytes, peakRssBytes }, index) => ({
    label,
    cpuSecondsPer1000: ((cpuSeconds - (before[index]?.cpuSeconds ?? 0)) / Math.max(1, completed)) * 1000,
    peakRssMib: peakRssBytes / 2 ** 20,
    pssMib: pssBytes / 2 ** 20,
  }))
}
