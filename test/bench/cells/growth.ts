import { addFaults } from '../load/fault-counter.ts'
import type { Faults } from '../load/protocol.ts'
import { collectGarbage, connectInspector, type Inspector } from '../measure/inspector.ts'
import { readProcesses } from '../measure/processes.ts'
import type { GrowthPoint } from '../report/cell-results.ts'
import type { InferqTarget } from '../targets/inferq.ts'
import { models } from '../targets/models.ts'
import type { Cell } from './cell.ts'

const connections = 128
const steps = 10
/** What a machine of two cores is taken to do, for the estimate. */
const guessedPerSecond = 2_000

/** Very many requests in closed loop against an inferq of its own: what is left in memory after each tenth of them. */
export function createGrowthCell(name: string): Cell {
  return {
    name,
    seconds: ({ requests }) => 15 + 2 * steps + requests / guessedPerSecond,
    async run({ inferq, load, extent, call, startInferq, progress }) {
      if (inferq === undefined) return null
      const own = await startInferq(name)
      const inspectors = await inspect(own)
      const points: GrowthPoint[] = []
      let faults: Faults = {}
      let [elapsedMs, completed] = [0, 0]
      const count = Math.ceil(extent.requests / steps)
      const task = { kind: 'requests', endpoint: own.endpoint, call: call(models.instant, false), connections } as const
      for (let step = 0; step < steps; step += 1) {
        const done = await load.run<'requests'>({ ...task, count })
        faults = addFaults(faults, done.faults)
        elapsedMs += done.elapsedMs
        completed += done.completed
        await Promise.all(inspectors.map(collectGarbage))
        const rssMib = Object.fromEntries(
          readProcesses(own.processes).map(({ label, rssBytes }) => [label, rssBytes / 2 ** 20]),
        )
        points.push({ requests: (step + 1) * count, rssMib })
        const sizes = Object.entries(rssMib).map(([label, mib]) => `${label} ${Math.round(mib)}`)
        progress(`${name} ${(step + 1) * count}: ${sizes.join(', ')} MB`)
      }
      for (const inspector of inspectors) inspector.close()
      await own.stop()
      return { kind: 'growth', name, connections, faults, requestsPerSecond: (completed / elapsedMs) * 1000, points }
    },
  }
}

function inspect({ ingress, worker, controller }: InferqTarget): Promise<Inspector[]> {
  return Promise.all([ingress, worker, controller].map(({ inspectPort }) => connectInspector(inspectPort ?? 0)))
}
