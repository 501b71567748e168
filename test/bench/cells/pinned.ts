import { pinFamilies } from '../measure/affinity.ts'
import type { Cell } from './cell.ts'
import type { createThroughputCell } from './throughput.ts'

/**
 * The same cell with each target's whole stack on one core, upstream and load generator on another, for its time. All of
 * them have been started with all cores in view.
 */
export function createPinnedCell(cell: ReturnType<typeof createThroughputCell>): Cell {
  const name = `${cell.name}-pinned`
  return {
    name,
    seconds: cell.seconds,
    async run(context) {
      const { pinning, targets, simulator, load } = context
      if (pinning === undefined) {
        context.progress(`${name}: pinned already, or nothing can be pinned (Linux, taskset and two cores)`)
        return null
      }
      const around = [
        { label: 'simulator', pid: simulator.pid },
        { label: 'load', pid: load.pid },
      ]
      const own = targets.flatMap((target) => target.processes)
      try {
        pinFamilies(around, pinning.around)
        pinFamilies(own, pinning.target)
        const progress = (line: string): void => context.progress(`pinned ${line}`)
        return { ...(await cell.run({ ...context, progress })), name, pinned: true }
      } finally {
        pinFamilies([...around, ...own], pinning.all)
      }
    },
  }
}
