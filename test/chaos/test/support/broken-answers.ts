import type { JobView } from '@inferq/contracts'
import type { History } from '../../history/history.ts'
import { addRequest, answerId, changeJob, good } from './good-history.ts'

const leftCalls = good.calls.get('l-1') ?? []
const left = (change: Partial<(typeof leftCalls)[number]>): History => ({
  ...good,
  calls: new Map(good.calls).set(
    'l-1',
    leftCalls.map((call) => ({ ...call, ...change })),
  ),
})
const rows = good.usage.get(answerId) ?? []

/** Rules about answers on a connection. */
export const brokenAnswers = {
  'streams-end-in-words': [
    addRequest({ kind: 'stream', ended: 'silent', text: 'some' }),
    addRequest({ kind: 'events', ended: 'silent' }),
  ],
  'text-is-the-upstreams': [
    addRequest({ kind: 'stream', ended: 'terminal', text: 'some', expected: 'some words' }),
    addRequest({ kind: 'stream', ended: 'error', text: 'somesome', expected: 'some words' }),
    addRequest({ kind: 'whole', text: 'some words of another', expected: 'some words' }),
    addRequest({ kind: 'embedding', text: '1 of 8', expected: '2 of 8' }),
    changeJob({ result: { choices: [{ message: { content: 'other words' } }] } }),
  ],
  'answer-is-billed': [
    { ...good, usage: new Map([...good.usage].filter(([id]) => id !== answerId)) },
    { ...good, usage: new Map(good.usage).set(answerId, [...rows, ...rows]) },
  ],
  'left-is-stopped': [
    left({ outcome: 'running', endedAt: null }),
    left({ outcome: 'answered' }),
    left({ endedAt: 60_000 }),
  ],
  'nothing-hangs': [
    addRequest({ status: null, endedAt: null, ended: null }),
    addRequest({ kind: 'stream', status: 200, endedAt: null, ended: null }),
  ],
  'refusals-say-when': [
    addRequest({ status: 503, errorCode: 'service_unavailable' }),
    addRequest({ status: 429, errorCode: 'rate_limit_exceeded', retryAfter: 'soon' }),
  ],
  'right-is-not-refused': [
    addRequest({ status: 404, errorCode: 'job_not_found' }),
    addRequest({ status: 400, errorCode: 'invalid_value' }),
  ],
  'no-internal-error': [
    addRequest({ status: 500, errorCode: 'internal_error' }),
    addRequest({ status: 502, errorCode: null }),
    addRequest({ kind: 'stream', ended: 'error', errorCode: 'internal_error' }),
    changeJob({ error: { code: 'internal_error', message: 'The worker failed on this job.' } as JobView['error'] }),
  ],
  'answers-are-well-formed': [addRequest({ malformed: 'a chunk is not JSON' })],
} satisfies Readonly<Record<string, readonly History[]>>
