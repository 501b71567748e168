import { type AnsweredJob, answerBody, answerIdentity, createdSeconds, type JobSpec } from '@inferq/contracts'
import type { ChunkEncoder, ChunkOptions } from './chunk-encoder.ts'
import { createChatChunkEncoder } from './openai-chat.ts'
import { createTextChunkEncoder } from './openai-text.ts'

export { type AnsweredJob, presentResult } from '@inferq/contracts'

/** How one of OpenAI's operations answers. */
export interface Dialect {
  /** The whole answer, from the result of the job. */
  body(job: AnsweredJob, result: object): object
  /** Chunks of a streamed answer; null where the operation does not stream. */
  encoder(job: AnsweredJob, stream: { readonly includeUsage: boolean }): ChunkEncoder | null
}

const dialects: Readonly<Record<JobSpec['operation'], Dialect>> = {
  chat: completionDialect('chat', createChatChunkEncoder),
  summary: completionDialect('summary', createChatChunkEncoder),
  text: completionDialect('text', createTextChunkEncoder),
  embeddings: { body: answerBody, encoder: () => null },
}

export function dialectOf(operation: JobSpec['operation']): Dialect {
  return dialects[operation]
}

/** Whether the client asked for usage at the end of its stream. */
export function includesUsage(request: JobSpec['request']): boolean {
  const options = request['stream_options']
  return typeof options === 'object' && options !== null && 'include_usage' in options && options.include_usage === true
}

function completionDialect(
  operation: 'chat' | 'text' | 'summary',
  createEncoder: (options: ChunkOptions) => ChunkEncoder,
): Dialect {
  return {
    body: answerBody,
    encoder: (job, stream) =>
      createEncoder({ ...answerIdentity({ ...job, operation }), created: createdSeconds(job), ...stream }),
  }
}
