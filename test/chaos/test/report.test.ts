import { describe, expect, it } from 'vitest'
import type { History } from '../history/history.ts'
import { livesOf } from '../run/attribute.ts'
import type { Struck } from '../run/inject.ts'
import { judge, toRecovery, withCount } from '../run/judge.ts'
import { renderReport } from '../run/report.ts'
import type { RunResult } from '../run/run.ts'

const second = 1_000

const killed: Struck = { fault: 'worker-killed', target: 'worker-1', startedAt: 10 * second, healedAt: 20 * second }
const wiped: Struck = { fault: 'redis-wipe', target: 'redis', startedAt: 60 * second, healedAt: 61 * second }

/** Nobody knows of the jobs that were accepted at these times. */
function lost(times: Readonly<Record<string, number>>): History {
  const accepted = Object.entries(times).map(([jobId, acceptedAt]) => ({ jobId, acceptedAt }))
  const nothing = new Map<string, never>()
  return {
    ...{ accepted, readers: [], requests: [], redisLosses: [] },
    ...{
      jobs: nothing,
      usage: nothing,
      attempts: nothing,
      records: nothing,
      upstream: nothing,
      calls: nothing,
      prices: nothing,
    },
  }
}

function judged(history: History): readonly (readonly [string, string, readonly string[]])[] {
  const violations = judge({ history, struck: [killed, wiped], complaints: [], deaths: [] })
  return violations.map(({ rule, jobId, faults }) => [rule, jobId, faults])
}

describe('the judgement of a run', () => {
  it('blames the faults that a job has lived through, or has come shortly after', () => {
    const times = {
      before: 9 * second,
      during: 15 * second,
      after: 30 * second,
      later: 50 * second,
      wiped: 60 * second,
    }
    expect(judged(lost(times))).toEqual([
      ['accepted-is-kept', 'before', []],
      ['accepted-is-kept', 'during', ['worker-killed']],
      ['accepted-is-kept', 'after', ['worker-killed']],
      ['accepted-is-kept', 'later', []],
      ['accepted-is-kept', 'wiped', ['redis-wipe']],
    ])
  })

  it('counts the time of every request about a job as its life', () => {
    const history = lost({ job: 5 * second })
    const request = {
      client: 'one',
      kind: 'events',
      jobId: 'job',
      startedAt: 6 * second,
      endedAt: 12 * second,
    } as const
    const requests = [{ ...request, status: 200, ended: 'terminal' }] as const
    expect(judged({ ...history, requests })).toContainEqual(['accepted-is-kept', 'job', ['worker-killed']])
  })

  it('tells of processes that ended by themselves, and of what is wrong at the end', () => {
    const violations = judge({
      history: lost({}),
      struck: [killed],
      complaints: [{ rule: 'nothing-is-left', about: 'queue chat', detail: '3 jobs are left in it' }],
      deaths: [{ member: 'ingress-2', at: 12 * second, lastLines: ['out of memory'] }],
    })
    expect(violations).toEqual([
      {
        rule: 'nothing-crashes',
        jobId: 'ingress-2',
        detail: 'it ended by itself; its last words: out of memory',
        faults: ['worker-killed'],
      },
      { rule: 'nothing-is-left', jobId: 'queue chat', detail: '3 jobs are left in it', faults: [] },
    ])
  })

  it('counts the jobs that lived while a fault lasted', () => {
    const lives = livesOf(lost({ before: 9 * second, during: 15 * second, end: 20 * second, after: 21 * second }))
    expect(withCount(killed, lives.values())).toEqual({ ...killed, struck: 2 })
  })

  it('tells recoveries from one fault alone from those that another has disturbed', () => {
    const recovery = { after: 'worker-killed', seconds: 7, from: 10 * second, to: 17 * second } as const
    const other: Struck = { ...wiped, startedAt: 16 * second, healedAt: 18 * second }
    expect(toRecovery(recovery, [killed, wiped])).toEqual({ after: 'worker-killed', seconds: 7, isDisturbed: false })
    expect(toRecovery(recovery, [killed, other]).isDisturbed).toBe(true)
  })
})

describe('the report of a run', () => {
  const result: RunResult = {
    seed: 7,
    accepted: 12_345,
    answered: 23_456,
    refused: 34,
    violations: [
      { rule: 'billed-once', jobId: 'job_1', detail: '2 rows on the bill', faults: ['worker-killed', 'redis-wipe'] },
      { rule: 'nothing-hangs', jobId: 'job_2', detail: 'a request without an end', faults: [] },
    ],
    injected: [
      { fault: 'worker-killed', target: 'worker-1', startedAt: 0, healedAt: 1, struck: 1_200 },
      { fault: 'worker-killed', target: 'worker-2', startedAt: 2, healedAt: 3, struck: 34 },
      { fault: 'redis-wipe', target: 'redis', startedAt: 4, healedAt: 5, struck: 7 },
    ],
    recoveries: [
      ...Array.from({ length: 99 }, (_, place) => ({
        after: 'worker-killed' as const,
        seconds: place / 10,
        isDisturbed: false,
      })),
      { after: 'worker-killed', seconds: 70, isDisturbed: true },
      { after: 'redis-restarted', seconds: 0.25, isDisturbed: false },
    ],
  }
  const cellsOf = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const report = renderReport(result, 'npm run chaos -- --minutes 5 --seed 7')
  const row = (start: string): string[] => {
    const line = report.split('\n').find((one) => one.startsWith(`| ${start}`))
    return cellsOf(line ?? '')
  }

  it('has a row for each fault, and violations under the promise they break', () => {
    const columns = row('fault')
    const under = (name: string, promise: string): string | undefined =>
      row(name)[columns.findIndex((column) => column.startsWith(promise))]
    expect(row('worker-killed').slice(0, 3)).toEqual(['worker-killed', '2', '1,234'])
    expect(under('worker-killed', '3 ')).toBe('1')
    expect(under('worker-killed', '8 ')).toBe('0')
    expect(under('redis-wipe', '3 ')).toBe('1')
    expect(under('none of them', '8 ')).toBe('1')
    expect(under('none of them', '3 ')).toBe('0')
    expect(under('**all**', '3 ')).toBe('1')
    expect(under('**all**', '8 ')).toBe('1')
  })

  it('has recoveries with their percentiles, those that were disturbed apart', () => {
    expect(row('jobs of a killed worker go on elsewhere ').slice(1)).toEqual(['99', '4.90', '9.80', '9.80'])
    expect(row('jobs of a killed worker go on elsewhere, another').slice(1)).toEqual(['1', '70.00', '70.00', '70.00'])
    expect(row('first answer after Redis is back').slice(1)).toEqual(['1', '0.25', '0.25', '0.25'])
  })

  it('tells totals, each violation, the seed and the command to see it again', () => {
    expect(report).toContain('12,345 jobs accepted, 23,456 requests answered, 34 refused')
    expect(report).toContain('3 faults; 2 violations.')
    expect(report).toContain('- billed-once (job_1; worker-killed, redis-wipe): 2 rows on the bill')
    expect(report).toContain('- nothing-hangs (job_2; none of them): a request without an end')
    expect(report).toContain('Seed 7. To run it again: `npm run chaos -- --minutes 5 --seed 7`')
  })
})
