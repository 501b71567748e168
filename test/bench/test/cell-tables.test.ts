import { describe, expect, it } from 'vitest'
import type {
  FaultRun,
  FaultsResult,
  LadderResult,
  PayloadResult,
  StampedStreamsResult,
} from '../report/cell-results.ts'
import { faultsTable, ladderTable, payloadTable, stampedStreamsTable } from '../report/cell-tables.ts'
import type { ThroughputRun } from '../report/results.ts'

const same = (value: number) => ({ p50: value, p90: value, p99: value })

describe('the table of streams', () => {
  it('adds to the first token what the same repeat took without a gateway', () => {
    const run = (target: 'direct' | 'inferq', repeat: number, first: number, delay: number) => ({
      ...{ target, repeat, completed: 10, firstTokenMs: same(first), delayMs: same(delay) },
      ...{ tokens: 400, burstShare: 0.25, most: 5 },
    })
    const cell: StampedStreamsResult = {
      ...{ kind: 'stamped-streams', name: 'streams-5', streams: 5, faults: {} },
      runs: [run('inferq', 0, 23, 2), run('direct', 0, 20, 1), run('direct', 1, 30, 1), run('inferq', 1, 35, 4)],
    }
    const [, rows] = stampedStreamsTable([cell])
    expect(rows).toEqual([
      ['streams-5', 'direct', '1.00', '1.00', '1.00', '–', '–', '25.0', '20.0'],
      ['streams-5', 'inferq', '3.00', '3.00', '3.00', '4.00', '4.00', '25.0', '20.0'],
    ])
  })
})

describe('the table of the ladder', () => {
  const rung = (rate: number, held: boolean, changes = {}) => ({
    ...{ rate, held, p50Ms: 2, p99Ms: held ? 20 : 80, faults: {}, overrun: false, lateP99Ms: 1 },
    ...changes,
  })
  const rowOf = (highestRate: number | null, rungs: LadderResult['runs'][number]['rungs']) =>
    ladderTable([
      { kind: 'ladder', name: 'ladder', faults: {}, limitMs: 50, runs: [{ target: 'inferq', highestRate, rungs }] },
    ])[1][0]

  it('tells the rung above the highest, not one that held the second time', () => {
    const rungs = [
      rung(100, false),
      rung(100, true),
      rung(125, false, { faults: { 'status 503': 2 } }),
      rung(125, false),
    ]
    expect(rowOf(100, rungs)).toEqual(['inferq', '100', '2.00', '20.0', '125', 'status 503', '100✗ 100 125✗ 125✗'])
  })

  it('says why nothing held', () => {
    expect(rowOf(null, [rung(10, false, { overrun: true })])?.slice(0, 6)).toEqual([
      'inferq',
      'none',
      '–',
      '–',
      '10.0',
      'it fell behind',
    ])
  })
})

describe('the table of payloads', () => {
  it('takes differences in the same round', () => {
    const run: ThroughputRun = {
      ...{ target: 'inferq', repeat: 0, requestsPerSecond: 100, completed: 100, faults: { 'status 413': 3 } },
      ...{ p50Ms: 1, p99Ms: 2, processes: [], around: [] },
    }
    const cell: PayloadResult = {
      ...{ kind: 'payload', name: 'payload-1k', bodyBytes: 1024, connections: 8, faults: {}, runs: [run] },
      totalMs: { direct: [1, 5, 2], inferq: [3, 6, 5] },
    }
    expect(payloadTable([cell])[1]).toEqual([['payload-1k', 'inferq', '100 (100–100)', '–', '5.00', '2.00', '3']])
  })
})

describe('the table of faults', () => {
  it('keeps refused and broken apart, and says where there was no recovery', () => {
    const run: FaultRun = {
      ...{ target: 'portkey', fault: 'kill gateway', client: 'sdk', requests: 50 },
      ...{ refused: { ECONNREFUSED: 3 }, broken: { UND_ERR_SOCKET: 16, 'it broke off': 1 }, resumed: 0 },
      ...{ extraCalls: 2, extraTokens: 300, recoverMs: null, silenceMs: 1_500, restartMs: 1_250 },
    }
    const cell: FaultsResult = { kind: 'faults', name: 'faults', clients: 16, faults: {}, runs: [run] }
    expect(faultsTable([cell])[1]).toEqual([
      [
        ...['portkey', 'kill gateway', 'SDK', '50', '3', '17', 'ECONNREFUSED, UND_ERR_SOCKET, it broke off'],
        ...['2', '300', 'never', '1.50', '1.25'],
      ],
    ])
  })
})
