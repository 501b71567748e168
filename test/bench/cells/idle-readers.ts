import { setTimeout as sleep } from 'node:timers/promises'
import { addFaults } from '../load/fault-counter.ts'
import { collectGarbage, connectInspector } from '../measure/inspector.ts'
import { readProcesses } from '../measure/processes.ts'
import { models } from '../targets/models.ts'
import type { Cell } from './cell.ts'

/** Opened and closed before the first reading, so that code and tables of the first ones are not counted. */
const warmUpReaders = 50
/** Long enough for a few rounds of position comments. */
const idleMs = 10_000

/**
 * Memory of an ingress for one reader of `/v1/jobs/{id}/events`, each of a job of its own that waits. On an ingress
 * started for this; both readings after garbage collection.
 */
export function createIdleReadersCell(name: string): Cell {
  return {
    name,
    // Jobs are submitted one commit each, then their readers are opened.
    seconds: ({ readers }) => 20 + idleMs / 1000 + readers / 250,
    async run({ inferq, load, extent, progress }) {
      if (inferq === undefined) return null
      const { readers } = extent
      const submitted = await load.run<'submit-jobs'>({
        kind: 'submit-jobs',
        endpoint: inferq.endpoint,
        model: models.parked,
        count: readers,
      })
      progress(`${name} ${submitted.jobIds.length} jobs wait`)
      const ingress = await inferq.startIngress('ingress-readers')
      const endpoint = { ...inferq.endpoint, baseUrl: ingress.baseUrl }
      const open = (jobIds: readonly string[]) => load.run<'open-readers'>({ kind: 'open-readers', endpoint, jobIds })
      const inspector = await connectInspector(ingress.inspectPort ?? 0)
      const read = () => readProcesses([{ label: name, pid: ingress.program.pid }])[0]
      const settled = async () => {
        await collectGarbage(inspector)
        return read()
      }

      await open(submitted.jobIds.slice(0, warmUpReaders))
      await load.run<'close-readers'>({ kind: 'close-readers' })
      const before = await settled()
      await open(submitted.jobIds)
      const idleFrom = read()
      await sleep(idleMs)
      const idleTo = read()
      const after = await settled()
      const end = await load.run<'close-readers'>({ kind: 'close-readers' })
      inspector.close()
      await ingress.program.stop()

      const grownBytes = (after?.rssBytes ?? Number.NaN) - (before?.rssBytes ?? Number.NaN)
      return {
        kind: 'idle-readers',
        name,
        readers: end.stillOpen,
        faults: addFaults(submitted.faults, end.faults),
        rssBeforeMib: (before?.rssBytes ?? Number.NaN) / 2 ** 20,
        rssAfterMib: (after?.rssBytes ?? Number.NaN) / 2 ** 20,
        kibPerReader: grownBytes / 1024 / end.stillOpen,
        idleCpuShare: ((idleTo?.cpuSeconds ?? Number.NaN) - (idleFrom?.cpuSeconds ?? Number.NaN)) / (idleMs / 1000),
      }
    },
  }
}
