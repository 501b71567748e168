import { addFaults } from '../load/fault-counter.ts'
import type { Faults } from '../load/protocol.ts'
import { alternated } from '../measure/statistics.ts'
import { models, slowStreamMs } from '../targets/models.ts'
import { type Cell, endpointsOf } from './cell.ts'
import { warmUpRounds } from './latency.ts'

/** Time to the first token of one stream at a time, in rounds over all targets. */
export function createFirstTokenCell(name: string): Cell {
  return {
    name,
    // The upstream's own answer takes some 35 ms.
    seconds: (extent, targets) => extent.streamRounds * targets * 0.045,
    async run(context) {
      const { load, extent } = context
      const task = { kind: 'paired', endpoints: endpointsOf(context), call: context.call(models.stream, true) } as const
      await load.run<'paired'>({ ...task, rounds: warmUpRounds, seed: 3 })
      const { firstTokenMs, faults } = await load.run<'paired'>({ ...task, rounds: extent.streamRounds, seed: 4 })
      return { kind: 'first-token', name, streams: 1, faults, firstTokenMs }
    },
  }
}

const repeats = 2

/** The same while so many slow streams run at once, target by target. */
export function createConcurrentFirstTokenCell(name: string, streams: number): Cell {
  return {
    name,
    seconds: (extent, targets) => targets * ((extent.streamsDurationMs + repeats * slowStreamMs) / 1000),
    async run({ targets, load, extent, call, progress }) {
      const chat = call(models.slow, true)
      const firstTokenMs: Record<string, number[]> = {}
      let faults: Faults = {}
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        for (const { name: target, endpoint } of alternated(targets, repeat)) {
          const result = await load.run<'concurrent-streams'>({
            kind: 'concurrent-streams',
            endpoint,
            call: chat,
            streams,
            durationMs: extent.streamsDurationMs / repeats,
            streamMs: slowStreamMs,
          })
          progress(`${name} ${target} ${result.firstTokenMs.length} streams, ${result.most} at once`)
          firstTokenMs[target] = [...(firstTokenMs[target] ?? []), ...result.firstTokenMs]
          faults = addFaults(faults, prefixed(target, result.faults))
        }
      }
      return { kind: 'first-token', name, streams, faults, firstTokenMs }
    },
  }
}

/** Faults with the target they are of. */
export function prefixed(target: string, faults: Faults): Faults {
  return Object.fromEntries(Object.entries(faults).map(([fault, count]) => [`${target}: ${fault}`, count]))
}
