import { type Cell, endpointsOf } from './cell.ts'

/** Rounds of one call to every target, to learn what a target adds to the simulator's own answer. */
export function createLatencyCell(name: string, model: string, upstream: string, upstreamMs: number): Cell {
  return {
    name,
    seconds: ({ rounds }, targets) => rounds * targets * (upstreamMs / 1000 + 0.004),
    async run(context) {
      const { load, extent } = context
      const task = { kind: 'paired', endpoints: endpointsOf(context), call: context.call(model, false) } as const
      await load.run<'paired'>({ ...task, rounds: warmUpRounds, seed: 1 })
      const { totalMs, faults } = await load.run<'paired'>({ ...task, rounds: extent.rounds, seed: 2 })
      return { kind: 'latency', name, upstream, faults, totalMs }
    },
  }
}

export const warmUpRounds = 10
