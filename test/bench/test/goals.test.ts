import { describe, expect, it } from 'vitest'
import type { FaultRun, FaultsResult, GrowthResult } from '../report/cell-results.ts'
import { judgeGoals } from '../report/goals.ts'
import type { BenchReport, CellResult, ThroughputRun } from '../report/results.ts'
import { lostUnder } from '../report/summary.ts'
import type { TargetName } from '../targets/target.ts'

function report(...cells: CellResult[]): BenchReport {
  return {
    format: 1,
    startedAt: '2026-01-02T03:04:05.000Z',
    command: 'npm run bench',
    quick: false,
    machine: { cores: 2, cpu: 'Some CPU', memoryGib: 8, kernel: 'Linux 6.1', node: 'v24.0.0' },
    commit: null,
    targets: [],
    cells,
  }
}

function judge(goal: string, ...cells: CellResult[]) {
  const found = judgeGoals(report(...cells)).find((one) => one.goal.includes(goal))
  if (found === undefined) throw new Error(`there is no goal with ${goal}`)
  return { measured: found.measured, met: found.met }
}

function run(target: TargetName, requestsPerSecond: number, peakRssMib = 100): ThroughputRun {
  const processes = [{ label: target === 'inferq' ? 'ingress' : target, cpuSecondsPer1000: 1, peakRssMib }]
  return { target, repeat: 0, requestsPerSecond, completed: 1, faults: {}, p50Ms: 1, p99Ms: 1, processes, around: [] }
}

function busy(name: string, ...runs: ThroughputRun[]): CellResult {
  return { kind: 'throughput', name, connections: 128, stream: false, durationMs: 1, runs }
}

function faultRun(target: TargetName, fault: string, lost: Partial<FaultRun>): FaultRun {
  const rest = { requests: 10, refused: {}, broken: {}, resumed: 0, extraCalls: 0, extraTokens: 0 }
  return { target, fault, client: 'sdk', ...rest, recoverMs: 1, silenceMs: 1, restartMs: null, ...lost }
}

function faults(...runs: FaultRun[]): FaultsResult {
  return { kind: 'faults', name: 'faults', clients: 16, faults: {}, runs }
}

function growth(requests: number, ...sizes: number[]): GrowthResult {
  const points = sizes.map((worker, index) => ({
    requests: (requests / sizes.length) * (index + 1),
    rssMib: { worker },
  }))
  return { kind: 'growth', name: 'growth', connections: 128, faults: {}, requestsPerSecond: 1, points }
}

describe('the goals', () => {
  it('are all open in a run that measured nothing', () => {
    expect(judgeGoals(report()).filter((goal) => goal.met !== null)).toEqual([])
  })

  it('compare requests per second with each peer, pinned and not', () => {
    const cell = busy('c128', run('inferq', 3_000), run('portkey', 1_000), run('litellm', 400))
    expect(judge('`c128`: at least 1.5 × Portkey', cell)).toEqual({ measured: '3.00 (3.00–3.00)', met: true })
    expect(judge('`c128`: at least 10 × LiteLLM', cell)).toEqual({ measured: '7.50 (7.50–7.50)', met: false })
    expect(judge('`c128-pinned`: at least 10 × LiteLLM', cell).met).toBeNull()
  })

  it('ask for less added latency than a limit and than Portkey', () => {
    const totalMs = { direct: [50, 50], portkey: [51, 51], inferq: [51.5, 51.5] }
    const cell = { kind: 'latency', name: 'latency-50ms', upstream: '', faults: {}, totalMs } as const
    expect(judge('50 ms: at most 2 ms', cell)).toEqual({ measured: '1.50 ms', met: true })
    expect(judge("below Portkey's", cell)).toEqual({ measured: '1.50 against 1.00 ms', met: false })
  })

  it('take memory at its worst', () => {
    expect(
      judge('memory of the ingress', busy('c1', run('inferq', 1, 150)), busy('c32', run('inferq', 1, 210))),
    ).toEqual({
      measured: '210 MB',
      met: false,
    })
  })

  it('are open where too little was tried', () => {
    const rest = { faults: {}, rssBeforeMib: 1, rssAfterMib: 2, kibPerReader: 20, idleCpuShare: 0 }
    const readers = (count: number): CellResult => ({
      kind: 'idle-readers',
      name: 'idle-readers',
      readers: count,
      ...rest,
    })
    expect(judge('idle reader', readers(300))).toEqual({ measured: '20.0 KB (of 300)', met: null })
    expect(judge('idle reader', readers(10_000))).toEqual({ measured: '20.0 KB', met: true })
    expect(judge('no process grows', growth(1_000, 90, 100, 100, 100))).toEqual({
      measured: 'none (over 1,000)',
      met: null,
    })
    expect(judge('no process grows', growth(1_000_000, 90, 100, 150, 200))).toEqual({ measured: 'worker', met: false })
  })

  it('count what is lost under faults that cost the peers something', () => {
    const cell = faults(
      faultRun('portkey', 'kill gateway', { broken: { cut: 3 }, refused: { ECONNREFUSED: 1 } }),
      faultRun('portkey', 'upstream stalls 2 s', {}),
      faultRun('pass-through', 'upstream stalls 2 s', { broken: { cut: 9 } }),
      faultRun('inferq', 'kill worker', {}),
      faultRun('inferq', 'kill ingress', { broken: { cut: 2 } }),
      faultRun('inferq', 'upstream stalls 2 s', { broken: { cut: 5 } }),
      faultRun('inferq', 'kill ingress', { client: 'reader' }),
    )
    expect(lostUnder(cell, 'sdk')).toEqual({ own: 2, peers: 4 })
    expect(judge('by clients of an SDK', cell)).toEqual({ measured: '2 (peers 4)', met: false })
    expect(judge('by clients that read on', cell)).toEqual({ measured: '0 (peers 4)', met: true })
  })

  it('say nothing about faults without a peer, and count every fault where no peer lost any', () => {
    const own = faultRun('inferq', 'kill worker', { refused: { 'status 503': 1 } })
    expect(lostUnder(faults(own), 'sdk')).toBeNull()
    expect(lostUnder(faults(own, faultRun('litellm', 'kill gateway', {})), 'sdk')).toEqual({ own: 1, peers: 0 })
  })
})
