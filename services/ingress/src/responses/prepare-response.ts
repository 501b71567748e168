import {
  type CreateResponseRequest,
  InferqError,
  type JobSpec,
  jobIdOfResponse,
  type ResponseEcho,
  responseEcho,
  responseFault,
  toChatRequest,
} from '@inferq/contracts'
import type { StoredResponse } from '@inferq/store'
import { type Acceptance, acceptResponse, modelOf } from '../accept.ts'
import type { IngressCore } from '../dependencies.ts'
import type { Validation } from '../validation.ts'
import { readConversation } from './conversation.ts'

export interface PreparedResponse {
  readonly spec: JobSpec
  readonly echo: ResponseEcho
  /** What is to be stored before its job is; null: it is not to be stored. */
  readonly row: StoredResponse | null
}

export interface ResponseTerms {
  readonly jobId: string
  /** Its job is an asynchronous one, though the response may not be stored. */
  readonly isAsynchronous: boolean
  readonly isBackground: boolean
  readonly keepResult: boolean
}

/** A request as the job that answers it. Nothing is queued or stored yet. Throws InferqError naming the field. */
export async function prepareResponse(
  core: IngressCore,
  validation: Validation,
  body: CreateResponseRequest,
  caller: Omit<Acceptance, 'operation' | 'request' | 'jobId'>,
  terms: ResponseTerms,
): Promise<PreparedResponse> {
  const { jobId, isAsynchronous, isBackground, keepResult } = terms
  const { owner } = caller.identity
  const model = modelOf(core, body, 'model')
  const { previous, input } = await readConversation(core, body, { jobId, owner })
  const chat = { ...toChatRequest(body, previous, input), model }
  const spec = inOwnWords(() => {
    if (previous.length > 0) checkSize(core, chat)
    validation.check('chat', chat, '')
    return acceptResponse(
      core,
      { ...caller, operation: 'chat', request: chat, jobId },
      { isStored: isAsynchronous, isBackground, keepResult, metadata: body.metadata ?? {} },
    )
  })
  const echo = responseEcho(body)
  const previousJobId = body.previous_response_id ? jobIdOfResponse(body.previous_response_id) : null
  const row = { jobId, owner, previousJobId, request: echo, inputItems: input, createdAt: spec.createdAt }
  return { spec, echo, row: body.store === false ? null : row }
}

/** A conversation may not grow, turn by turn, beyond what one request may bring. */
function checkSize(core: IngressCore, chat: object): void {
  if (Buffer.byteLength(JSON.stringify(chat)) <= core.config().limits.bodyBytes) return
  const message = 'The conversation is too long for one request: begin a new one, with what matters as its input.'
  throw new InferqError({ code: 'payload_too_large', message, param: 'previous_response_id' })
}

/** Faults of the chat completion that a response becomes, as faults of the response. */
function inOwnWords<T>(run: () => T): T {
  try {
    return run()
  } catch (thrown) {
    throw thrown instanceof InferqError ? new InferqError(responseFault(thrown.detail), { cause: thrown }) : thrown
  }
}
