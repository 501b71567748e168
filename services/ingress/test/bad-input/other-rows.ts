import { chat } from './openai-rows.ts'
import { absent, type BadRow, type FieldRow, fieldRows, unknown } from './rows.ts'

const job = { type: 'completion', request: chat }
const batch = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' }
const response = { model: 'chat', input: 'Hi' }

const batchFields: readonly FieldRow[] = [
  ['no file', { input_file_id: undefined }, 'input_file_id', absent],
  ['an empty file', { input_file_id: '' }, 'input_file_id'],
  ['a file that is a number', { input_file_id: 5 }, 'input_file_id'],
  ['no endpoint', { endpoint: undefined }, 'endpoint', absent],
  ['an endpoint that is a list', { endpoint: [] }, 'endpoint'],
  ['no window', { completion_window: undefined }, 'completion_window', absent],
  ['another window', { completion_window: '1h' }, 'completion_window'],
  ['metadata with a number', { metadata: { a: 1 } }, 'metadata.a'],
  ['an unknown field', { priority: 'high' }, 'priority', unknown],
  ['an end in words', { output_expires_after: 'soon' }, 'output_expires_after'],
  ['an end without its anchor', { output_expires_after: { seconds: 3600 } }, 'output_expires_after.anchor', absent],
  ['an end too soon', { output_expires_after: { anchor: 'created_at', seconds: 1 } }, 'output_expires_after.seconds'],
]

const manyFields: readonly FieldRow[] = [
  ['no jobs', { jobs: undefined }, 'jobs', absent],
  ['an empty list of jobs', { jobs: [] }, 'jobs'],
  ['jobs that are an object', { jobs: {} }, 'jobs'],
  ['too many jobs', { jobs: new Array(1001).fill(job) }, 'jobs'],
  ['a job without a type', { jobs: [job, { request: chat }] }, 'jobs[1].type', absent],
  ['a job of an unknown type', { jobs: [{ ...job, type: 'poem' }] }, 'jobs[0].type'],
  ['a job with an unknown field', { jobs: [{ ...job, urgent: true }] }, 'jobs[0].urgent', unknown],
]

const webhookFields: readonly FieldRow[] = [
  ['a webhook that is a text', { webhook: 'https://a.example' }, 'webhook'],
  ['a webhook without its url', { webhook: {} }, 'webhook.url', absent],
  ['a webhook with an empty url', { webhook: { url: '' } }, 'webhook.url'],
  ['a webhook whose url is none', { webhook: { url: 'nowhere' } }, 'webhook.url'],
  ['a webhook to a file', { webhook: { url: 'file:///etc/passwd' } }, 'webhook.url'],
  ['a webhook of no events', { webhook: { url: 'https://a.example', events: [] } }, 'webhook.events'],
  ['a webhook of unknown events', { webhook: { url: 'https://a.example', events: ['job.born'] } }, 'webhook.events[0]'],
  [
    'a webhook with an unknown field',
    { webhook: { url: 'https://a.example', secret: 'x' } },
    'webhook.secret',
    unknown,
  ],
]

const responseFields: readonly FieldRow[] = [
  ['no input', { input: undefined }, 'input', absent],
  ['an input that is a number', { input: 5 }, 'input'],
  ['an empty model', { model: '' }, 'model'],
  ['a temperature too high', { temperature: 3 }, 'temperature'],
  ['stream in words', { stream: 'yes' }, 'stream'],
  ['a background in words', { background: 'yes' }, 'background'],
  ['tools that are an object', { tools: {} }, 'tools'],
  ['metadata with a number', { metadata: { a: 1 } }, 'metadata.a'],
]

type QueryRow = readonly [what: string, path: string, param: string, code?: string]

const queries: readonly QueryRow[] = [
  ['a page of no files', '/v1/files?limit=0', 'limit'],
  ['an unknown order of files', '/v1/files?order=random', 'order'],
  ['an unknown filter of files', '/v1/files?color=red', 'color', unknown],
  ['a page of no batches', '/v1/batches?limit=0', 'limit'],
  ['a page of too many batches', '/v1/batches?limit=101', 'limit'],
  ['an unknown filter of batches', '/v1/batches?color=red', 'color', unknown],
  ['a page of no deliveries', '/v1/webhooks/deliveries?limit=0', 'limit'],
  ['an unknown state of deliveries', '/v1/webhooks/deliveries?state=lost', 'state'],
  ['an unknown filter of deliveries', '/v1/webhooks/deliveries?color=red', 'color', unknown],
]

/** The routes beside those of chats, texts, embeddings and jobs. */
export const otherRows: readonly BadRow[] = [
  ...fieldRows('/v1/batches', batch, batchFields),
  ...fieldRows('/v1/jobs:batch', { jobs: [job] }, manyFields),
  ...fieldRows('/v1/jobs', job, webhookFields),
  ...fieldRows('/v1/responses', response, responseFields),
  ...queries.map(([what, path, param, code = 'invalid_value']) => ({ what, path, status: 400, param, code })),
  {
    what: 'a file that is JSON',
    path: '/v1/files',
    json: { purpose: 'batch' },
    status: 415,
    param: null,
    code: 'unsupported_media_type',
  },
]
