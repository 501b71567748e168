import type { LoadResults } from '../load/protocol.ts'
import { alternated } from '../measure/statistics.ts'
import type { LadderRun } from '../report/cell-results.ts'
import { models } from '../targets/models.ts'
import type { Target } from '../targets/target.ts'
import type { Cell, CellContext } from './cell.ts'
import { climb } from './climb.ts'

const limitMs = 50
const factor = 1.25
const halvings = 2
const triesPerRung = 2
const mostTries = 16
/** What a closed loop of so many connections reaches says where to begin: this share of it is still easy. */
const [guessConnections, guessShare] = [64, 0.35]

/** Arrivals at a fixed rate, whatever becomes of those before: the highest rate with p99 below 50 ms and no error. */
export function createLadderCell(name: string): Cell {
  return {
    name,
    // A target takes some ten tries.
    seconds: (extent, targets) => targets * (10 * ((extent.rungMs + 500) / 1000) + extent.durationMs / 1000),
    async run(context) {
      const runs: LadderRun[] = []
      for (const target of alternated(context.targets, 0)) runs.push(await climbTarget(context, name, target))
      return { kind: 'ladder', name, faults: {}, limitMs, runs }
    },
  }
}

async function climbTarget(context: CellContext, name: string, target: Target): Promise<LadderRun> {
  const { load, extent, progress } = context
  const { endpoint } = target
  const call = context.call(models.instant, false)
  const guess = { kind: 'closed-loop', endpoint, call, connections: guessConnections } as const
  const { completed, elapsedMs } = await load.run<'closed-loop'>({ ...guess, durationMs: extent.durationMs / 2 })
  const { highest, tried } = await climb({
    start: Math.max(10, Math.round((completed / elapsedMs) * 1000 * guessShare)),
    factor,
    halvings,
    mostTries,
    triesPerRung,
    measure: (rate) => load.run<'open-loop'>({ kind: 'open-loop', endpoint, call, rate, durationMs: extent.rungMs }),
    holds,
  })
  progress(`${name} ${target.name} ${highest === null ? 'no rate holds' : `${Math.round(highest)}/s`}`)
  const rungs = tried.map(({ rate, held, outcome }) => {
    const { p50Ms, p99Ms, faults, overrun, lateP99Ms } = outcome
    return { rate, held, p50Ms, p99Ms, faults, overrun, lateP99Ms }
  })
  return { target: target.name, highestRate: highest, rungs }
}

/** Every request of the rung was sent and answered rightly, and in time. */
export function holds(outcome: LoadResults['open-loop']): boolean {
  return !outcome.overrun && outcome.completed === outcome.scheduled && outcome.p99Ms < limitMs
}
