import { type AnsweredJob, type EndPayload, type ErrorDetail, InferqError } from '@inferq/contracts'
import type { RequestBody } from '../job-spec.ts'
import { type ChunkEncoder, encodeStreamError } from './chunk-encoder.ts'
import { dialectOf, includesUsage } from './dialect.ts'

/** In whose words the answer to one request is told, on the connection that waits for it. */
export interface AnswerDialect {
  /** The whole answer, from the result of the job and its end. */
  body(job: AnsweredJob, result: object, end: EndPayload): object
  /** Of a stream. Throws `internal_error` where the operation has none. */
  encoder(job: AnsweredJob): ChunkEncoder
  /** An error inside a stream. Nothing follows. */
  error(detail: ErrorDetail): string
}

/** OpenAI's words, with usage at the end of a stream where the request asks for it. */
export function openAiDialect(request: RequestBody): AnswerDialect {
  return {
    body: (job, result) => dialectOf(job.operation).body(job, result),
    encoder(job) {
      const stream = { includeUsage: includesUsage(request) }
      const encoder = dialectOf(job.operation).encoder(job, stream)
      if (encoder !== null) return encoder
      throw new InferqError({ code: 'internal_error', message: `${job.operation} does not stream` })
    },
    error: encodeStreamError,
  }
}
