import { InferqError, isTerminal, presentResult } from '@inferq/contracts'
import type { IngressCore } from './dependencies.ts'
import type { AnswerDialect } from './dialects/answer-dialect.ts'
import { endOfStored } from './dialects/event-format.ts'
import { type FoundJob, readEnd } from './find-job.ts'
import { resultOf } from './job-end.ts'

/**
 * What a job was submitted for: the OpenAI object, or the summary. Throws the error of a job that gave none,
 * `job_not_finished` for one that has not ended, `service_unavailable` while its end is being recorded.
 */
export async function readResult(core: IngressCore, found: FoundJob, dialect?: AnswerDialect): Promise<unknown> {
  const job = found.kind === 'live' ? { ...found.record.spec, status: found.record.status } : found.job
  if (!isTerminal(job.status)) {
    const message = `The job '${job.id}' is ${job.status}; its result is there when it has ended.`
    throw new InferqError({ code: 'job_not_finished', message, retryAfterSeconds: 1 })
  }
  const end = found.kind === 'live' ? await readEnd(core, found.record) : endOfStored(found.job)
  if (end === null) throw new InferqError({ code: 'service_unavailable', message: 'The result is being recorded.' })
  const result = resultOf(job.status, end)
  return dialect === undefined ? presentResult(job, result) : dialect.body(job, result, end)
}
