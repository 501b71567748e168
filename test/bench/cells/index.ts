import { models } from '../targets/models.ts'
import type { Cell } from './cell.ts'
import { createConcurrentFirstTokenCell, createFirstTokenCell } from './first-token.ts'
import { createIdleReadersCell } from './idle-readers.ts'
import { createLatencyCell } from './latency.ts'
import { createThroughputCell } from './throughput.ts'

const connectionCounts = [1, 32, 128]

/** Every cell, in the order they run: the one that leaves the most behind comes last. */
const cells: readonly Cell[] = [
  ...connectionCounts.map((connections) => createThroughputCell(connections, false)),
  ...connectionCounts.map((connections) => createThroughputCell(connections, true)),
  createLatencyCell('latency-instant', models.instant, 'answers at once'),
  createLatencyCell('latency-50ms', models.after50ms, 'answers after 50 ms'),
  createFirstTokenCell('first-token'),
  createConcurrentFirstTokenCell('first-token-50', 50),
  createIdleReadersCell('idle-readers'),
]

/** The cells of a list of names, all of them for none. Throws naming what there is. */
export function pickCells(names: readonly string[]): Cell[] {
  const unknown = names.filter((name) => !cells.some((cell) => cell.name === name))
  if (unknown.length > 0) {
    throw new Error(`no cell ${unknown.join(', ')}; there are ${cells.map((cell) => cell.name).join(', ')}`)
  }
  return names.length === 0 ? [...cells] : cells.filter((cell) => names.includes(cell.name))
}
