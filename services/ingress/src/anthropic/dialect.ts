import type { AnsweredJob } from '@inferq/contracts'
import { estimatePromptTokens } from '@inferq/routing'
import type { AnswerDialect } from '../dialects/answer-dialect.ts'
import type { RequestBody } from '../job-spec.ts'
import { encodeAnthropicError } from './errors.ts'
import { type MessageIdentity, toMessage } from './message.ts'
import { createMessageEncoder } from './message-encoder.ts'

/**
 * How a chat job is answered to who asked for a message.
 * @param chat the request as the job has it
 */
export function createAnthropicDialect(chat: RequestBody, requestId: string): AnswerDialect {
  return {
    body: (job, result, end) => toMessage(identityOf(job), result, end),
    encoder: (job) => createMessageEncoder({ ...identityOf(job), inputTokens: Math.ceil(estimatePromptTokens(chat)) }),
    error: (detail) => encodeAnthropicError(detail, requestId),
  }
}

function identityOf({ id, model }: AnsweredJob): MessageIdentity {
  return { id: `msg_${id.slice(id.indexOf('_') + 1)}`, model }
}
