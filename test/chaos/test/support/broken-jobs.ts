import type { History } from '../../history/history.ts'
import { addRequest, changeJob, changeReader, good, job, jobId } from './good-history.ts'

const usageOf = (cost: number | null, completionTokens = 2): History => ({
  ...good,
  usage: new Map(good.usage).set(jobId, [{ promptTokens: 3, completionTokens, costNanoUsd: cost, estimated: false }]),
})
const rows = good.usage.get(jobId) ?? []
const costs = good.attempts.get(jobId) ?? []

/** Rules about accepted jobs and their readers. */
export const brokenJobs = {
  'accepted-is-kept': [
    { ...good, jobs: new Map() },
    { ...good, records: new Map() },
  ],
  'same-key-same-job': [addRequest({ kind: 'submit', status: 202, key: 'k-1', jobId: 'job_3' })],
  'ends-once': [
    { ...changeJob({ status: 'in_progress' }), readers: [] },
    changeJob({ status: 'failed' }),
    { ...good, records: new Map([[jobId, { status: 'failed', text: null }]]) },
    changeReader('resumed', (all) => [...all.slice(0, -1), { id: '2-5', event: 'job.failed' }]),
  ],
  'terminal-event-once': [
    changeReader('whole', (all) => all.slice(0, -1)),
    changeReader('resumed', (all) => [...all, { id: '2-6', event: 'job.completed' }]),
    changeReader('left', (all) => [...all, { id: '2-5', event: 'job.completed', digest: 'end' }]),
  ],
  'nothing-after-the-end': [
    changeReader('resumed', (all) => [...all, { id: '2-6', event: 'output.delta', text: 'late' }]),
  ],
  'cancelled-stays-cancelled': [addRequest({ kind: 'cancel', jobId, outcome: 'cancelled' })],
  'text-is-the-answer': [
    changeJob({ result: { choices: [{ message: { content: 'lostkept words' } }] } }),
    changeReader('whole', (all) => all.filter(({ event }) => event !== 'output.reset')),
    { ...good, records: new Map([[jobId, { status: 'completed', text: 'kept' }]]) },
  ],
  'billed-once': [
    { ...good, usage: new Map([...good.usage].filter(([id]) => id !== jobId)) },
    { ...good, usage: new Map(good.usage).set(jobId, [...rows, ...rows]) },
  ],
  'bill-is-the-upstreams': [usageOf(11_000, 3)],
  'superseded-is-not-billed': [usageOf(18_000)],
  'money-is-right': [
    usageOf(10_999),
    usageOf(null),
    { ...good, attempts: new Map([[jobId, costs.map((row) => ({ ...row, costNanoUsd: 7_001 }))]]) },
    { ...good, attempts: new Map([[jobId, costs.map((row) => ({ ...row, costNanoUsd: null }))]]) },
    // A part of the answer that nobody pays for.
    changeJob({ attempts: job.attempts.map((one) => ({ ...one, continued: one.attempt === 2 })) }),
  ],
  'ids-ascend': [
    changeReader('resumed', (all) => all.flatMap((event, place) => (place === 2 ? [event, event] : [event]))),
    changeReader('resumed', (all) => [...all.slice(0, 2), ...all.slice(2, 4).toReversed(), ...all.slice(4)]),
    changeReader('resumed', (all) => [{ id: '3-0', event: 'job.started' }, { id: '', event: 'output.reset' }, ...all]),
  ],
  'no-gap': [changeReader('resumed', (all) => all.filter(({ id }) => id !== '2-3'))],
  'readers-agree': [
    changeReader('resumed', (all) => all.map((one) => (one.id === '2-4' ? { ...one, text: 'other' } : one))),
    changeReader('resumed', (all) => all.map((one) => (one.id === '2-5' ? { ...one, digest: 'other' } : one))),
  ],
} satisfies Readonly<Record<string, readonly History[]>>
