import { formatTable } from '../../bench/report/format.ts'
import type { PlantedBug } from './bug.ts'
import { plantedBugs } from './bugs.ts'
import { findBugs } from './find-bugs.ts'
import { checkPatches } from './plant.ts'

export interface PlantedReport {
  /** Every bug was caught, and nothing was found where there was none. */
  readonly isRight: boolean
  readonly text: string
}

export interface RunPlantedOptions {
  /** Of the bugs to plant. Default: all of them, and none. */
  readonly names?: readonly string[]
  readonly seed: number
  readonly onLine: (line: string) => void
  readonly signal: AbortSignal
}

/**
 * Runs the product with each bug alone in it, and once as it is. Throws for a name of no bug, and before anything runs for a
 * bug that cannot be planted any more.
 */
export async function runPlanted({ names, seed, onLine, signal }: RunPlantedOptions): Promise<PlantedReport> {
  checkPatches(plantedBugs)
  const runs: (PlantedBug | undefined)[] = names === undefined ? [undefined, ...plantedBugs] : names.map(bugNamed)
  const rows: string[][] = []
  let isRight = true
  for (const bug of runs) {
    signal.throwIfAborted()
    const startedAt = performance.now()
    const { caught, others } = await findBugs(bug === undefined ? [] : [bug], { seed, signal })
    const isAsItShould = bug === undefined ? others.length === 0 : caught.length === 1
    isRight &&= isAsItShould
    const { name = 'nothing', rule = '–' } = bug ?? {}
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
    onLine(`${String(rows.length + 1).padStart(3)} of ${runs.length}: ${name}${isAsItShould ? '' : ' GOES WRONG'}`)
    rows.push([name, rule, bug === undefined ? '–' : isAsItShould ? 'yes' : '**no**', others.join(', '), seconds])
  }
  return { isRight, text: formatTable(['planted', 'breaks', 'caught', 'breaks as well', 'seconds'], rows) }
}

function bugNamed(name: string): PlantedBug {
  const found = plantedBugs.find((bug) => bug.name === name)
  if (found !== undefined) return found
  throw new Error(`no bug "${name}"; there are ${plantedBugs.map((bug) => bug.name).join(', ')}`)
}
