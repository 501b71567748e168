import type { JobSpec } from '@inferq/contracts'
import type { ChunkEncoder, ChunkOptions } from './chunk-encoder.ts'
import { createChatChunkEncoder } from './openai-chat.ts'
import { createTextChunkEncoder } from './openai-text.ts'

/** What an answer says about its job. */
export interface AnsweredJob {
  readonly id: string
  readonly operation: JobSpec['operation']
  readonly model: string
  readonly createdAt: number
}

/** How one of OpenAI's operations answers. */
export interface Dialect {
  /** The whole answer, from the result of the job. */
  body(job: AnsweredJob, result: object): object
  /** Chunks of a streamed answer; null where the operation does not stream. */
  encoder(job: AnsweredJob, stream: { readonly includeUsage: boolean; readonly resumed: boolean }): ChunkEncoder | null
}

const dialects: Readonly<Record<JobSpec['operation'], Dialect>> = {
  chat: completionDialect('chat.completion', 'chatcmpl-', createChatChunkEncoder),
  // The text of a summary is shown as a chat would be, to whoever reads its events in OpenAI's format.
  summary: completionDialect('chat.completion', 'chatcmpl-', createChatChunkEncoder),
  text: completionDialect('text_completion', 'cmpl-', createTextChunkEncoder),
  embeddings: {
    body: (job, result) => ({ object: 'list', ...result, model: job.model }),
    encoder: () => null,
  },
}

export function dialectOf(operation: JobSpec['operation']): Dialect {
  return dialects[operation]
}

/** The result of any job as its owner gets it: under our id and the public name, whatever the upstream called itself. */
export function presentResult(job: AnsweredJob, result: unknown): unknown {
  if (typeof result !== 'object' || result === null || job.operation === 'summary') return result ?? null
  return dialects[job.operation].body(job, result)
}

/** Whether the client asked for usage at the end of its stream. */
export function includesUsage(request: JobSpec['request']): boolean {
  const options = request['stream_options']
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}

function completionDialect(
  object: string,
  idPrefix: string,
  createEncoder: (options: ChunkOptions) => ChunkEncoder,
): Dialect {
  return {
    // The upstream's own id and model name stay inside: ours are stable over fallbacks.
    body: (job, result) => {
      const identity = identityOf(job, idPrefix)
      return { ...identity, object, ...result, ...identity, created: seconds(job) }
    },
    encoder: (job, stream) => createEncoder({ ...identityOf(job, idPrefix), created: seconds(job), ...stream }),
  }
}

function identityOf(job: AnsweredJob, idPrefix: string): { readonly id: string; readonly model: string } {
  return { id: idPrefix + job.id.slice(job.id.indexOf('_') + 1), model: job.model }
}

function seconds(job: AnsweredJob): number {
  return Math.floor(job.createdAt / 1000)
}
