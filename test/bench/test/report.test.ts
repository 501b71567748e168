import { describe, expect, it } from 'vitest'
import { formatNumber, formatTable } from '../report/format.ts'
import { renderPage } from '../report/page.ts'
import type { BenchReport, ThroughputRun } from '../report/results.ts'
import { addedFirstToken, addedLatency, allFaults, commandRows, throughputRatio } from '../report/summary.ts'

function run(target: 'portkey' | 'inferq', repeat: number, requestsPerSecond: number): ThroughputRun {
  const label = target === 'inferq' ? 'ingress' : 'portkey'
  return {
    target,
    repeat,
    requestsPerSecond,
    completed: 100,
    faults: {},
    p50Ms: 10,
    p99Ms: 20,
    processes: [{ label, cpuSecondsPer1000: 0.2, peakRssMib: 150 + repeat }],
    around: [{ label: 'load', cpuSecondsPer1000: 0.1, peakRssMib: 90 }],
    ...(target === 'inferq' ? { redisCommands: [{ command: 'xadd', calls: 300, microseconds: 900 }] } : {}),
  }
}

const busy = {
  kind: 'throughput',
  name: 'c128',
  connections: 128,
  stream: false,
  durationMs: 4_000,
  runs: [run('portkey', 0, 1_000), run('inferq', 0, 2_000), run('inferq', 1, 1_800), run('portkey', 1, 1_500)],
} as const
const firstToken = {
  kind: 'first-token',
  name: 'first-token',
  streams: 1,
  faults: {},
  firstTokenMs: { direct: [10, 11, 12], inferq: [13, 13, 20] },
} as const

function report(changes: Partial<BenchReport> = {}): BenchReport {
  return {
    format: 1,
    startedAt: '2026-01-02T03:04:05.000Z',
    command: 'npm run bench',
    quick: false,
    machine: { cores: 2, cpu: 'Some CPU', memoryGib: 8, kernel: 'Linux 6.1', node: 'v24.0.0' },
    commit: 'abcdef0',
    targets: [
      { name: 'inferq', description: 'all of it', version: '0.1.0' },
      { name: 'portkey', description: '', version: '', skipped: 'npm is not there' },
    ],
    cells: [busy, firstToken],
    ...changes,
  }
}

describe('what a run says', () => {
  it('compares two targets repeat by repeat', () => {
    const ratio = throughputRatio(busy, 'inferq', 'portkey')
    expect(ratio?.median).toBeCloseTo(1.6)
    expect([ratio?.min, ratio?.max]).toEqual([1.2, 2])
    expect(throughputRatio(busy, 'inferq', 'direct')).toBeNull()
  })

  it('takes added times from the same round', () => {
    expect(addedFirstToken(firstToken, 'inferq')).toEqual({ p50: 3, p90: 8, p99: 8 })
    const latency = { kind: 'latency', name: 'l', upstream: '', faults: {}, totalMs: { inferq: [1] } } as const
    expect(addedLatency(latency, 'inferq')).toBeNull()
  })

  it('takes differences of percentiles where streams have no pairs', () => {
    const many = { ...firstToken, streams: 50, firstTokenMs: { direct: [10, 10], inferq: [14, 12, 15] } }
    expect(addedFirstToken(many, 'inferq')?.p50).toBe(4)
  })

  it('counts Redis commands for each request', () => {
    expect(commandRows(busy)).toEqual([{ command: 'xadd', callsPerRequest: 3, microsecondsPerRequest: 9 }])
  })

  it('keeps every fault', () => {
    const faulty = { ...busy, runs: [{ ...run('inferq', 0, 1), faults: { 'status 503': 2 } }] }
    const latency = { kind: 'latency', name: 'l', upstream: '', faults: { 'inferq: no': 1 }, totalMs: {} } as const
    expect(allFaults(report({ cells: [faulty, latency] }))).toEqual([
      { cell: 'c128', fault: 'inferq: status 503', count: 2 },
      { cell: 'l', fault: 'inferq: no', count: 1 },
    ])
  })
})

describe('a cell that failed', () => {
  it('is told with the faults', () => {
    expect(allFaults(report({ failures: [{ cell: 'growth', message: 'it exited' }] }))).toEqual([
      { cell: 'growth', fault: 'the cell failed: it exited', count: 1 },
    ])
  })
})

describe('the page', () => {
  it('tells machine, versions, what was skipped, and reads its own figures', () => {
    const page = renderPage(report())
    expect(page).toContain('2 cores (Some CPU), 8 GiB, Linux 6.1, Node v24.0.0; inferq at abcdef0, 2026-01-02')
    expect(page).toContain('**portkey**: not in this run: npm is not there')
    expect(page).toContain('2 of 15 goals are met. 13 were not measured in this run.')
    expect(page).toContain('Every answer was right.')
    expect(page).not.toContain('quick run')
  })

  it('says where it is not to be trusted', () => {
    const faulty = { ...busy, runs: [{ ...run('inferq', 0, 1), faults: { 'status 503': 2 } }] }
    const page = renderPage(report({ quick: true, cells: [faulty] }))
    expect(page).toContain('Do not quote it.')
    expect(page).toContain('2 answers were wrong or missing')
  })
})

describe('figures', () => {
  it('are as exact as they can claim to be', () => {
    expect([7012.4, 41.26, 2.071, 0.0312, Number.NaN, undefined].map(formatNumber)).toEqual([
      '7,012',
      '41.3',
      '2.07',
      '0.031',
      '–',
      '–',
    ])
  })

  it('stand under each other, numbers to the right', () => {
    expect(
      formatTable(
        ['name', 'ms'],
        [
          ['a', '1.5'],
          ['long name', '10'],
        ],
      ).split('\n'),
    ).toEqual(['| name      |  ms |', '| --------- | --: |', '| a         | 1.5 |', '| long name |  10 |'])
  })
})
