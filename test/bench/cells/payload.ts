import { addFaults } from '../load/fault-counter.ts'
import { alternated } from '../measure/statistics.ts'
import type { ThroughputRun } from '../report/results.ts'
import { models } from '../targets/models.ts'
import { type Cell, endpointsOf } from './cell.ts'
import { prefixed } from './first-token.ts'
import { warmUpRounds } from './latency.ts'
import { measureTarget } from './throughput.ts'

const connections = 8
const repeats = 2

/** Bodies of so many KB: requests per second of a closed loop, and what a target adds to one request at a time. */
export function createPayloadCell(kilobytes: number): Cell {
  const name = `payload-${kilobytes}k`
  return {
    name,
    seconds: ({ warmUpMs, durationMs, streamRounds }, targets) =>
      targets * (repeats * ((warmUpMs + durationMs) / 1000) + streamRounds * 0.008),
    async run(context) {
      const { targets, load, extent, progress } = context
      const call = { ...context.call(models.fixed, false), bodyBytes: kilobytes * 1024 }
      const task = { kind: 'paired', endpoints: endpointsOf(context), call } as const
      await load.run<'paired'>({ ...task, rounds: warmUpRounds, seed: 7 })
      const { totalMs, faults } = await load.run<'paired'>({ ...task, rounds: extent.streamRounds, seed: 8 })
      const runs: ThroughputRun[] = []
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        for (const target of alternated(targets, repeat)) {
          const run = await measureTarget(context, target, call, connections, repeat)
          progress(`${name} ${target.name} ${Math.round(run.requestsPerSecond)}/s`)
          runs.push(run)
        }
      }
      const all = runs.reduce((sum, run) => addFaults(sum, prefixed(run.target, run.faults)), faults)
      return { kind: 'payload', name, bodyBytes: call.bodyBytes, connections, faults: all, runs, totalMs }
    },
  }
}
