import { addFaults } from '../load/fault-counter.ts'
import type { Faults } from '../load/protocol.ts'
import { alternated } from '../measure/statistics.ts'
import type { StampedStreamsRun } from '../report/cell-results.ts'
import { models, slowStreamMs } from '../targets/models.ts'
import type { Cell } from './cell.ts'
import { prefixed } from './first-token.ts'

const repeats = 2

/** So many streams of 20 tokens a second at once: how long each token is on its way, and whether they come in bursts. */
export function createStampedStreamsCell(streams: number): Cell {
  const name = `streams-${streams}`
  return {
    name,
    // The last streams end when the time is up.
    seconds: (extent, targets) => targets * ((extent.streamsDurationMs + repeats * slowStreamMs) / 1000),
    async run({ targets, load, extent, call, progress }) {
      const chat = call(models.stamped, true)
      const runs: StampedStreamsRun[] = []
      let faults: Faults = {}
      for (let repeat = 0; repeat < repeats; repeat += 1) {
        for (const { name: target, endpoint } of alternated(targets, repeat)) {
          const { faults: own, ...figures } = await load.run<'stamped-streams'>({
            kind: 'stamped-streams',
            endpoint,
            call: chat,
            streams,
            durationMs: extent.streamsDurationMs / repeats,
            streamMs: slowStreamMs,
          })
          const { p50, p99 } = figures.delayMs
          progress(
            `${name} ${target} ${figures.tokens} tokens, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms late`,
          )
          runs.push({ target, repeat, ...figures })
          faults = addFaults(faults, prefixed(target, own))
        }
      }
      return { kind: 'stamped-streams', name, streams, faults, runs }
    },
  }
}
