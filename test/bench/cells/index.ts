import { models } from '../targets/models.ts'
import type { Cell } from './cell.ts'
import { createFaultsCell } from './faults.ts'
import { createConcurrentFirstTokenCell, createFirstTokenCell } from './first-token.ts'
import { createGrowthCell } from './growth.ts'
import { createIdleReadersCell } from './idle-readers.ts'
import { createLadderCell } from './ladder.ts'
import { createLatencyCell } from './latency.ts'
import { createPayloadCell } from './payload.ts'
import { createPinnedCell } from './pinned.ts'
import { createStampedStreamsCell } from './stamped-streams.ts'
import { createThroughputCell } from './throughput.ts'

const mostConnections = 128
const connectionCounts = [1, 32, mostConnections]
const streamCounts = [1, 50, 200, 500]
const bodyKilobytes = [1, 32, 400]

/** Every cell, in the order they run: the one that leaves the most behind comes last. */
const cells: readonly Cell[] = [
  ...connectionCounts.map((connections) => createThroughputCell(connections, false)),
  ...connectionCounts.map((connections) => createThroughputCell(connections, true)),
  createThroughputCell(mostConnections, false, true),
  createPinnedCell(createThroughputCell(mostConnections, false)),
  createPinnedCell(createThroughputCell(mostConnections, true)),
  createLatencyCell('latency-instant', models.instant, 'answers at once', 0),
  createLatencyCell('latency-50ms', models.after50ms, 'answers after 50 ms', 50),
  createFirstTokenCell('first-token'),
  createConcurrentFirstTokenCell('first-token-50', 50),
  ...streamCounts.map(createStampedStreamsCell),
  ...bodyKilobytes.map(createPayloadCell),
  createLadderCell('ladder'),
  createGrowthCell('growth'),
  createFaultsCell('faults'),
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
