import type { RunOptions, RunViolation } from '../run/run.ts'
import { runChaos } from '../run/run-chaos.ts'
import type { PlantedBug } from './bug.ts'
import { plant } from './plant.ts'

export interface Findings {
  /** Those of the bugs that broke the rule they were planted to break. */
  readonly caught: readonly PlantedBug[]
  readonly missed: readonly PlantedBug[]
  /** Rules that were broken beside theirs. */
  readonly others: readonly RunViolation['rule'][]
}

/** Many cancels, and answers that last long enough to be met by them and by faults. */
const usualLoad = {
  clients: { async: 8, streaming: 4, whole: 2, embedding: 2, leaving: 3 },
  tokens: [10, 40],
  interTokenMs: [5, 25],
  cancelShare: 0.25,
} as const satisfies RunOptions['load']

/** What is planted to hang, or to be left for good, is not worth waiting for. */
const impatience = { wholeMs: 15_000, silentMs: 15_000, settleMs: 1_500 }

/** Runs the product with these bugs planted in it, under the faults that any of them needs. */
export async function findBugs(
  bugs: readonly PlantedBug[],
  options: Pick<RunOptions, 'seed' | 'onLine' | 'signal' | 'logFolder'>,
): Promise<Findings> {
  const planted = plant(bugs)
  try {
    const { violations } = await runChaos({
      ...options,
      ...{ load: loadFor(bugs), durationMs: 4_000, atLeast: { accepted: 40, answered: 20 } },
      ...(bugs.length === 0 ? {} : { patience: { quietEndMs: 1_500, clientsMs: 20_000, settleMs: 1_500 } }),
      schedule: bugs.flatMap(({ schedule = [] }) => schedule),
      system: { root: planted.root, postgres: 'embedded', replica: false, ingresses: 1, workers: 1, controllers: 1 },
    })
    const caught = bugs.filter((bug) => violations.some((violation) => isOf(bug, violation)))
    const own = new Set(bugs.map(({ rule }) => rule))
    return {
      caught,
      missed: bugs.filter((bug) => !caught.includes(bug)),
      others: [...new Set(violations.map(({ rule }) => rule))].filter((rule) => !own.has(rule)),
    }
  } finally {
    planted.remove()
  }
}

function loadFor(bugs: readonly PlantedBug[]): NonNullable<RunOptions['load']> {
  if (bugs.length === 0) return usualLoad
  const own = bugs.flatMap(({ load = [] }) => load)
  const patience = Object.assign({}, impatience, ...own.map((load) => load.patience))
  return { ...Object.assign({}, usualLoad, ...own), patience }
}

function isOf({ rule, shows }: PlantedBug, violation: RunViolation): boolean {
  return violation.rule === rule && (shows === undefined || shows.test(violation.detail))
}
