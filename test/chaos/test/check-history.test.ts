import type { JobView } from '@inferq/contracts'
import { describe, expect, it } from 'vitest'
import { checkHistory } from '../history/check-history.ts'
import { type History, type ReadEvent, type Rule, rules } from '../history/history.ts'

const jobId = 'job_1'
const events: readonly ReadEvent[] = [
  { id: '0-1', event: 'job.queued' },
  { id: '1-0', event: 'job.started' },
  { id: '1-2', event: 'output.delta', text: 'lost' },
  { id: '2-0', event: 'job.started' },
  { id: '2-1', event: 'output.reset' },
  { id: '2-3', event: 'output.delta', text: 'kept ' },
  { id: '2-4', event: 'output.delta', text: 'words' },
  { id: '2-5', event: 'job.completed' },
]
const job = {
  id: jobId,
  status: 'completed',
  result: { choices: [{ message: { content: 'kept words' } }] },
  usage: { estimated: false },
} as unknown as JobView

const good: History = {
  accepted: [{ jobId, acceptedAt: 1 }],
  readers: [
    { reader: 'whole', jobId, events, isComplete: true },
    { reader: 'resumed', jobId, events: events.slice(3), isComplete: true },
    { reader: 'left', jobId, events: events.slice(0, 4), isComplete: false },
  ],
  jobs: new Map([[jobId, job]]),
  usage: new Map([[jobId, [{ promptTokens: 3, completionTokens: 2, costNanoUsd: null }]]]),
  upstream: new Map([
    [
      jobId,
      [
        { promptTokens: 3, completionTokens: 1 },
        { promptTokens: 3, completionTokens: 2 },
      ],
    ],
  ]),
}

/** The same history, with what one reader saw changed. */
function seen(by: string, change: (events: readonly ReadEvent[]) => readonly ReadEvent[]): History {
  const readers = good.readers.map((one) => (one.reader === by ? { ...one, events: change(one.events) } : one))
  return { ...good, readers }
}

/** For each rule, ways to break it and nothing else. */
const broken: Readonly<Record<Rule, readonly History[]>> = {
  'accepted-is-kept': [{ ...good, jobs: new Map() }],
  'ends-once': [
    { ...good, jobs: new Map([[jobId, { ...job, status: 'in_progress' }]]), readers: [] },
    { ...good, jobs: new Map([[jobId, { ...job, status: 'failed' }]]) },
  ],
  'terminal-event-once': [
    seen('whole', (all) => all.slice(0, -1)),
    seen('resumed', (all) => [...all, { id: '2-6', event: 'job.completed' }]),
  ],
  'nothing-after-the-end': [seen('resumed', (all) => [...all, { id: '2-6', event: 'output.delta', text: 'late' }])],
  'ids-ascend': [
    seen('resumed', (all) => all.flatMap((event, place) => (place === 2 ? [event, event] : [event]))),
    seen('resumed', (all) => [...all.slice(0, 2), ...all.slice(2, 4).toReversed(), ...all.slice(4)]),
  ],
  'no-gap': [seen('resumed', (all) => all.filter(({ id }) => id !== '2-3'))],
  'readers-agree': [seen('resumed', (all) => all.map((one) => (one.id === '2-4' ? { ...one, text: 'other' } : one)))],
  'text-is-the-answer': [
    {
      ...good,
      jobs: new Map([[jobId, { ...job, result: { choices: [{ message: { content: 'lostkept words' } }] } }]]),
    },
  ],
  'billed-once': [
    { ...good, usage: new Map() },
    { ...good, usage: new Map([[jobId, [...(good.usage.get(jobId) ?? []), ...(good.usage.get(jobId) ?? [])]]]) },
  ],
  'bill-is-the-upstreams': [
    { ...good, usage: new Map([[jobId, [{ promptTokens: 6, completionTokens: 3, costNanoUsd: null }]]]) },
  ],
}

describe('the checker of histories', () => {
  it('finds nothing wrong with a history in which everything went right', () => {
    expect(checkHistory(good)).toEqual([])
  })

  it.each(rules)('finds a history that breaks %s', (rule) => {
    expect(broken[rule].length).toBeGreaterThan(0)
    for (const history of broken[rule]) {
      const found = checkHistory(history).map((violation) => violation.rule)
      expect(found).toContain(rule)
    }
  })

  it('does not take an estimate of a joined answer for a wrong bill', () => {
    const estimated = { ...job, usage: { estimated: true } } as unknown as JobView
    const usage = new Map([[jobId, [{ promptTokens: 9, completionTokens: 9, costNanoUsd: null }]]])
    expect(checkHistory({ ...good, jobs: new Map([[jobId, estimated]]), usage })).toEqual([])
  })
})
