import { chat } from './openai-rows.ts'
import { absent, type BadRow, type FieldRow, fieldRows, manyEntries, unknown } from './rows.ts'

const job = { type: 'completion', request: chat }
const summary = (request: object): object => ({ type: 'summarization', request: { model: 'chat', ...request } })

const jobFields: readonly FieldRow[] = [
  ['no type', { type: undefined }, 'type', absent],
  ['an unknown type', { type: 'poem' }, 'type'],
  ['no request', { request: undefined }, 'request', absent],
  ['a request that is a list', { request: [] }, 'request'],
  ['an unknown field', { urgent: true }, 'urgent', unknown],
  ['a request without a model', { request: { messages: chat.messages } }, 'request.model', absent],
  ['a request without messages', { request: { model: 'chat' } }, 'request.messages', absent],
  [
    'a message without a role',
    { request: { model: 'chat', messages: [{ content: 'x' }] } },
    'request.messages[0].role',
    absent,
  ],
  [
    'a tool that answers nothing',
    { request: { model: 'chat', messages: [{ role: 'tool', content: 'x' }] } },
    'request.messages[0].tool_call_id',
    absent,
  ],
  ['an embedding of nothing', { type: 'embedding', request: { model: 'team/embed' } }, 'request.input', absent],
  ['an unknown priority', { priority: 'urgent' }, 'priority'],
  ['no time to finish', { finish_within_s: 0 }, 'finish_within_s'],
  ['too much time to finish', { finish_within_s: 1e9 }, 'finish_within_s'],
  ['a time to start in words', { start_within_s: 'soon' }, 'start_within_s'],
  ['much metadata', { metadata: manyEntries(17) }, 'metadata'],
  ['metadata with a list', { metadata: { a: [] } }, 'metadata.a'],
  ['an unknown field of a summarization', summary({ text: 'x', words: 5 }), 'request.words', unknown],
  ['a summary of too few words', summary({ text: 'x', max_words: 1 }), 'request.max_words'],
  ['a summary of nothing', summary({}), 'request.text', absent],
  ['a summary of an empty text', summary({ text: '' }), 'request.text'],
  ['a summary of two things', summary({ text: 'x', messages: chat.messages }), 'request.messages'],
]

type QueryRow = readonly [what: string, path: string, status: number, param: string | null, code: string]
const noJob = [404, null, 'job_not_found'] as const

const queries: readonly QueryRow[] = [
  ['a page of no jobs', '/v1/jobs?limit=0', 400, 'limit', 'invalid_value'],
  ['a page of too many jobs', '/v1/jobs?limit=101', 400, 'limit', 'invalid_value'],
  ['a page size in words', '/v1/jobs?limit=ten', 400, 'limit', 'invalid_value'],
  ['a page size twice', '/v1/jobs?limit=1&limit=2', 400, 'limit', 'invalid_value'],
  ['an unknown status', '/v1/jobs?status=done', 400, 'status', 'invalid_value'],
  ['an unknown type', '/v1/jobs?type=poem', 400, 'type', 'invalid_value'],
  ['a page after nowhere', '/v1/jobs?after=%00', 400, 'after', 'invalid_value'],
  ['an unknown filter', '/v1/jobs?color=red', 400, 'color', unknown],
  ['a bad position', '/v1/jobs/job_0/events?after=abc', 400, 'after', 'invalid_value'],
  ['an unknown format', '/v1/jobs/job_0/events?format=xml', 400, 'format', 'invalid_value'],
  ['a job that is none', '/v1/jobs/nothing', ...noJob],
  ['a job with NUL in its id', '/v1/jobs/job_%00', ...noJob],
  ['a job with a path in its id', '/v1/jobs/job_..%2f..%2fetc', ...noJob],
  ['a job with a long id', `/v1/jobs/job_${'0'.repeat(200)}`, ...noJob],
  ['a result of no job', '/v1/jobs/nothing/result', ...noJob],
  ['events of no job', '/v1/jobs/nothing/events', ...noJob],
  ['a model that is none', '/v1/models/nope', 404, 'model', 'model_not_found'],
]

export const jobRows: readonly BadRow[] = [
  ...fieldRows('/v1/jobs', job, jobFields),
  ...queries.map(([what, path, status, param, code]) => ({ what, path, status, param, code })),
  {
    what: 'a job of an unknown model',
    path: '/v1/jobs',
    json: { ...job, request: { ...chat, model: 'nope' } },
    status: 404,
    param: 'request.model',
    code: 'model_not_found',
  },
  {
    what: 'the end of no job',
    path: '/v1/jobs/nothing/cancel',
    method: 'POST',
    status: 404,
    param: null,
    code: 'job_not_found',
  },
]
