import { describe, expect, it } from 'vitest'
import { cpuForEach, type DurabilityReport, perSecond, renderDurability } from '../report/durability.ts'

const report: DurabilityReport = {
  database: 'PostgreSQL 15.1',
  connections: 64,
  submits: [
    { done: 9_000, elapsedMs: 6_000, p50Ms: 30, p99Ms: 90 },
    { done: 4_800, elapsedMs: 6_000, p50Ms: 50, p99Ms: 70 },
    { done: 6_600, elapsedMs: 6_000, p50Ms: 40, p99Ms: 80 },
  ],
  outcomes: [{ done: 50_000, elapsedMs: 12_500 }],
  rowsPerOutcome: 3,
  cpuMicros: { submit: { ingress: 200 }, outcome: { controller: 50, postgres: 75 } },
}

describe('the report of durability', () => {
  it('judges the median of the rounds against the goal, and tells the spread', () => {
    const text = renderDurability(report)
    expect(text).toContain('PostgreSQL 15.1, 3 rounds')
    expect(text).toMatch(/submits, committed, 64 connections\D+1,?100\D+800\D+1,?500\D+≥ 1,?000\W+yes/)
    expect(text).toMatch(/outcomes recorded\D+4,?000\D+4,?000\D+4,?000\D+≥ 5,?000\W+NO/)
    expect(text).toContain('p50 40.0 ms, p99 80.0 ms')
    expect(text).toContain('p99 80.0 ms; µs of CPU for each: ingress 200')
    expect(text).toContain('12,000 rows a second, 3 for each; µs of CPU for each: controller 50.0, postgres 75.0')
  })

  it('tells what each submit and each outcome has cost every process that did something', () => {
    const reading = (...seconds: number[]) =>
      ['ingress', 'worker', 'redis'].map((label, place) => ({ label, cpuSeconds: seconds[place] ?? 0 }))
    const [before, after] = [reading(1, 2, 3), reading(3, 2, 3.5)]
    expect(cpuForEach(before, after, 1_000)).toEqual({ ingress: 2_000, redis: 500 })
  })

  it('has no rate for no time', () => {
    expect(perSecond({ done: 5, elapsedMs: 0 })).toBe(0)
    expect(perSecond({ done: 5, elapsedMs: 500 })).toBe(10)
  })
})
