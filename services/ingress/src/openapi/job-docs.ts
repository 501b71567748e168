import {
  AcceptedJobs,
  CancelResponse,
  EventsUrl,
  JobList,
  JobView,
  SubmitJobRequest,
  SubmitJobsRequest,
} from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failures, withExample } from './responses.ts'

const tags = ['Jobs']
const params = Type.Object({ id: Type.String({ examples: ['job_01m8k3v7w2q9r4t6y8z0a1b2c3'] }) })

export const submitBody = withExample(SubmitJobRequest, {
  type: 'completion',
  request: { model: 'llama3.1', messages: [{ role: 'user', content: 'Hi' }] },
  priority: 'default',
  finish_within_s: 3600,
  metadata: { doc: '42' },
})

export const submitManyBody = withExample(SubmitJobsRequest, {
  jobs: [
    { type: 'completion', request: { model: 'llama3.1', messages: [{ role: 'user', content: 'Hi' }] } },
    { type: 'embedding', request: { model: 'embed', input: 'Hi' }, metadata: { doc: '42' } },
  ],
})

/** Documentation of the native job routes, and what is checked of their paths and queries. */
export const jobDocs = {
  submit: {
    operationId: 'submitJob',
    summary: 'Submit an asynchronous job',
    description:
      'The answer means that the job is committed. With `Prefer: wait=N` it comes when the job has ended, after N seconds at the latest.',
    tags,
    response: {
      200: described(JobView, 'With `Prefer: wait=N`: it ended in time.'),
      202: described(JobView, 'Accepted.'),
      ...failures.forQuestion,
      ...failures.forIdempotent,
    },
  },
  submitMany: {
    operationId: 'submitJobs',
    summary: 'Submit up to 1,000 asynchronous jobs',
    description:
      'All are accepted, in one commit, or none: an error names the first job at fault (`jobs[3].request.messages`). The answer has them in the order of the request.',
    tags,
    response: {
      202: described(AcceptedJobs, 'Accepted, all of them.'),
      ...failures.forQuestion,
      ...failures.forIdempotent,
    },
  },
  retry: {
    operationId: 'retryJob',
    summary: 'Run a job again that ended without a result',
    description:
      'As a new job, which names the one it repeats (`retry_of`): the same request on the same terms, routed as of now. An administrator can do so for every owner. 409 for a job that has not ended or has completed, and where its request is no longer kept (`retention.prompts`).',
    tags,
    params,
    response: {
      200: described(JobView, 'With `Prefer: wait=N`: it ended in time.'),
      202: described(JobView, 'Accepted.'),
      400: failures.forList[400],
      ...failures.forJob,
      429: failures.forQuestion[429],
      ...failures.conflict,
      ...failures.forIdempotent,
    },
  },
  eventsUrl: {
    operationId: 'signJobEventsUrl',
    summary: 'A signed URL of the events of a job',
    description:
      'For `EventSource`, which cannot send headers. Whoever has the URL can read the events of this job, from any page, until it expires.',
    tags,
    params,
    response: { 200: described(EventsUrl, 'The URL.'), 400: failures.forList[400], ...failures.forJob },
  },
  list: {
    operationId: 'listJobs',
    summary: 'Jobs, newest first',
    description:
      'Filters add up. `metadata[key]=value`, several times, finds jobs with all of these pairs; `created_after` and `created_before` are Unix seconds, exclusive. For administrators `owner` lists the jobs of another owner, `*` those of all. Go on with `after`, and the same filters.',
    tags,
    response: {
      200: described(JobList, 'A page of jobs, without results.'),
      ...failures.forList,
      403: failures.forOperators[403],
    },
  },
  get: {
    operationId: 'getJob',
    summary: 'A job',
    tags,
    params,
    response: { 200: described(JobView, 'The job as it is now.'), ...failures.forJob },
  },
  result: {
    operationId: 'getJobResult',
    summary: 'The bare result of a job',
    description: 'The OpenAI object, or the summary. The error of a job that failed, with its status.',
    tags,
    params,
    response: {
      200: { ...Type.Object({}, { additionalProperties: true }), description: 'The result.' },
      ...failures.forJob,
      ...failures.notFinished,
    },
  },
  events: {
    operationId: 'readJobEvents',
    summary: 'The events of a job, live and resumable',
    description:
      'Server-sent events: `job.queued`, `job.started`, `output.delta`, `job.progress`, `job.requeued`, `output.reset`, and exactly one of `job.completed`, `job.failed`, `job.cancelled`, `job.expired`, after which the stream closes. Reconnect with `Last-Event-ID` (or `?after=`) to go on where you left off; 204 says that nothing is left. Deltas are kept for minutes after the end; later readers get the terminal event alone, with the result.',
    tags,
    params,
    querystring: Type.Object(
      {
        after: Type.Optional(Type.String({ maxLength: 40, examples: ['1-42'] })),
        format: Type.Optional(
          Type.Enum(['jobs', 'openai'], { description: '`openai`: `chat.completion.chunk`s under the same ids.' }),
        ),
        token: Type.Optional(
          Type.String({
            maxLength: 2000,
            description: 'Of a signed URL (`POST /v1/jobs/{id}/events-url`), instead of a key.',
          }),
        ),
      },
      { additionalProperties: false },
    ),
    response: {
      200: {
        description: 'The events.',
        content: {
          'text/event-stream': {
            schema: {
              type: 'string',
              examples: ['id: 1-3\nevent: output.delta\ndata: {"text":"Hello"}\n\n'],
            },
          },
        },
      },
      204: { description: 'The terminal event was already read.', type: 'null' },
      400: failures.forList[400],
      ...failures.forJob,
    },
  },
  cancel: {
    operationId: 'cancelJob',
    summary: 'Cancel a job',
    description: 'Idempotent. `cancelling`: it runs; its worker was told to stop.',
    tags,
    params,
    response: { 200: described(CancelResponse, 'What became of it.'), ...failures.forJob },
  },
} as const
