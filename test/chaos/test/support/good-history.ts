import type { JobView } from '@inferq/contracts'
import type { ClientRequest, History, ReadEvent } from '../../history/history.ts'
import type { LedgerCall } from '../../system/system.ts'

export const jobId = 'job_1'
/** Of an answer that was streamed on its connection. */
export const answerId = 'job_2'

const events: readonly ReadEvent[] = [
  { id: '0-1', event: 'job.queued', digest: 'q' },
  { id: '1-0', event: 'job.started', digest: 's1' },
  { id: '1-2', event: 'output.delta', text: 'lost' },
  { id: '2-0', event: 'job.started', digest: 's2' },
  { id: '2-1', event: 'output.reset', digest: 'x' },
  { id: '2-3', event: 'output.delta', text: 'kept ' },
  { id: '2-4', event: 'output.delta', text: 'words' },
  { id: '2-5', event: 'job.completed', digest: 'end' },
]

/** The log of the same job, without its last attempt's end. */
export const readLost = events.slice(0, 6)

export const job = {
  id: jobId,
  status: 'completed',
  result: { choices: [{ message: { content: 'kept words' } }] },
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5, estimated: false },
  error: null,
  attempts: [
    { attempt: 1, outcome: 'retried', continued: false, usage: { prompt_tokens: 3, completion_tokens: 1 } },
    { attempt: 2, outcome: 'completed', continued: false, usage: { prompt_tokens: 3, completion_tokens: 2 } },
  ],
} as unknown as JobView

/** A request that went right. */
export function request(overrides: Partial<ClientRequest>): ClientRequest {
  return {
    client: 'whole-1',
    kind: 'whole',
    startedAt: 100,
    endedAt: 200,
    status: 200,
    ended: 'whole',
    ...overrides,
  }
}

const call = { model: 'chat', startedAt: 100, endedAt: 200, promptTokens: 3, completionTokens: 2 } as const

/** One job that was tried twice, and one of each request. Prices: 1,000 nano-USD a token in, 4,000 a token out. */
export const good: History = {
  accepted: [{ jobId, acceptedAt: 1, user: 'a-1', expected: 'kept words' }],
  readers: [
    { reader: 'whole', jobId, events, isComplete: true },
    { reader: 'resumed', jobId, events: events.slice(3), isComplete: true },
    { reader: 'left', jobId, events: events.slice(0, 4), isComplete: false },
  ],
  jobs: new Map([[jobId, job]]),
  records: new Map([[jobId, { status: 'completed', text: 'kept words' }]]),
  usage: new Map([
    [jobId, [{ promptTokens: 3, completionTokens: 2, costNanoUsd: 11_000, estimated: false }]],
    [answerId, [{ promptTokens: 3, completionTokens: 2, costNanoUsd: 11_000, estimated: false }]],
  ]),
  attempts: new Map([
    [
      jobId,
      [
        { attempt: 1, model: 'chat', promptTokens: 3, completionTokens: 1, costNanoUsd: 7_000, outcome: 'retried' },
        { attempt: 2, model: 'chat', promptTokens: 3, completionTokens: 2, costNanoUsd: 11_000, outcome: 'completed' },
      ],
    ],
  ]),
  upstream: new Map([
    [
      jobId,
      [
        { promptTokens: 3, completionTokens: 1 },
        { promptTokens: 3, completionTokens: 2 },
      ],
    ],
    [answerId, [{ promptTokens: 3, completionTokens: 2 }]],
  ]),
  calls: new Map<string, readonly LedgerCall[]>([
    ['a-1', [{ ...call, user: 'a-1', outcome: 'answered' }]],
    ['s-1', [{ ...call, user: 's-1', outcome: 'answered' }]],
    ['l-1', [{ ...call, user: 'l-1', outcome: 'aborted' }]],
  ]),
  requests: [
    request({ kind: 'submit', status: 202, key: 'k-1', user: 'a-1', jobId }),
    request({ kind: 'submit', status: 202, key: 'k-1', user: 'a-1', jobId }),
    request({ kind: 'events', ended: 'terminal', jobId }),
    request({
      kind: 'stream',
      ended: 'terminal',
      jobId: answerId,
      user: 's-1',
      text: 'some words',
      expected: 'some words',
    }),
    request({ kind: 'whole', jobId: answerId, text: 'some words', expected: 'some words', costNanoUsd: 11_000 }),
    request({ kind: 'leave', ended: 'left', user: 'l-1' }),
  ],
  redisLosses: [],
  disturbances: [],
  prices: new Map([['chat', { input: 1_000, output: 4_000 }]]),
}

/** The same history, with what one reader saw changed. */
export function changeReader(by: string, change: (events: readonly ReadEvent[]) => readonly ReadEvent[]): History {
  const readers = good.readers.map((one) => (one.reader === by ? { ...one, events: change(one.events) } : one))
  return { ...good, readers }
}

/** The same history, with the job told otherwise at the end. */
export function changeJob(changes: Partial<JobView>): History {
  return { ...good, jobs: new Map([[jobId, { ...job, ...changes }]]) }
}

/** The same history, with one more request. */
export function addRequest(overrides: Partial<ClientRequest>): History {
  return { ...good, requests: [...good.requests, request(overrides)] }
}
