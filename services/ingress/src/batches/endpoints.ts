import {
  CreateResponseRequest,
  type ErrorDetail,
  InferqError,
  inputItemsOf,
  type Operation,
  presentResult,
  type ResponseEcho,
  responseEcho,
  responseFault,
  responseObject,
  toChatRequest,
} from '@inferq/contracts'
import type { EndedLine } from '@inferq/store'
import type { RequestBody } from '../job-spec.ts'
import { requestFault } from '../request-faults.ts'
import { factsOfEnd } from '../responses/response-dialect.ts'
import type { Validation } from '../validation.ts'
import { describeFault } from '../validation-faults.ts'

/** What the requests of a batch are for, by the path they name. */
export interface BatchEndpoint {
  readonly path: string
  readonly operation: Operation
  /** The request of the job of such a line. Throws InferqError naming the field of the body, as the endpoint would. */
  read(body: RequestBody, validation: Validation): LineJob
  /** The answer of a line that was answered. */
  present(ended: EndedLine): unknown
}

export interface LineJob {
  readonly request: RequestBody
  /** What else the answer is made of. */
  readonly source?: unknown
}

function plainEndpoint(path: string, operation: Operation): BatchEndpoint {
  return {
    path,
    operation,
    read(body, validation) {
      validation.check(operation, body, '')
      const fault = requestFault(operation, body, { mayStream: false, prefix: '' })
      if (fault !== undefined) throw new InferqError(fault)
      return { request: body }
    },
    present: ({ jobId, model, createdAt, result }) =>
      presentResult({ id: jobId, operation, model, createdAt: createdAt ?? 0 }, result),
  }
}

const notInBatches: Readonly<Record<string, string>> = {
  background: 'every request of a batch runs in the background; leave it out',
  previous_response_id: 'the responses of a batch go on after no other',
}

/** The request becomes a chat completion, as it does for `POST /v1/responses`. Responses of batches are not stored. */
const responses: BatchEndpoint = {
  path: '/v1/responses',
  operation: 'chat',
  read(body, validation) {
    const validate = validation.compiler({ schema: CreateResponseRequest, method: 'POST', url: '', httpPart: 'body' })
    if (validate(body) !== true) throw new InferqError(describeFault(validate.errors ?? []))
    for (const [param, why] of Object.entries(notInBatches)) {
      if (body[param]) throw new InferqError(unsupported(param, why))
    }
    const asked = body as CreateResponseRequest
    const input = inputItemsOf(asked)
    const place = input.findIndex((item) => item.type === 'item_reference')
    if (place >= 0) throw new InferqError(unsupported(`input[${place}]`, 'a batch refers to no stored items'))
    try {
      const request = { ...toChatRequest(asked, [], input), model: asked.model }
      validation.check('chat', request, '')
      const fault = requestFault('chat', request, { mayStream: false, prefix: '' })
      if (fault !== undefined) throw new InferqError(fault)
      return { request, source: { ...responseEcho(asked), store: false } }
    } catch (thrown) {
      throw thrown instanceof InferqError ? new InferqError(responseFault(thrown.detail), { cause: thrown }) : thrown
    }
  },
  present({ jobId, model, createdAt, endedAt, source, result }) {
    const facts = { jobId, model, createdAt: createdAt ?? 0, status: 'completed' as const, result }
    const { usage, finishReason } = saidOf(result)
    const end = { at: endedAt ?? createdAt ?? 0, ...usage, ...finishReason }
    return responseObject({ ...facts, ...factsOfEnd(end) }, source as ResponseEcho)
  },
}

function unsupported(param: string, why: string): ErrorDetail {
  return { code: 'unsupported_parameter', message: `Unsupported parameter: '${param}': ${why}.`, param }
}

/** What a chat completion says of its end. */
function saidOf(result: unknown) {
  const { choices, usage } = (result ?? {}) as {
    readonly choices?: readonly { readonly finish_reason?: string }[]
    readonly usage?: {
      readonly prompt_tokens: number
      readonly completion_tokens: number
      readonly prompt_tokens_details?: { readonly cached_tokens?: number }
      readonly completion_tokens_details?: { readonly reasoning_tokens?: number }
    }
  }
  const reason = choices?.[0]?.finish_reason
  const cachedTokens = usage?.prompt_tokens_details?.cached_tokens
  const reasoningTokens = usage?.completion_tokens_details?.reasoning_tokens
  return {
    finishReason: reason === undefined ? {} : { finishReason: reason },
    usage:
      usage === undefined
        ? {}
        : {
            usage: {
              promptTokens: usage.prompt_tokens,
              completionTokens: usage.completion_tokens,
              ...(cachedTokens === undefined ? {} : { cachedTokens }),
              ...(reasoningTokens === undefined ? {} : { reasoningTokens }),
            },
          },
  }
}

const endpoints: readonly BatchEndpoint[] = [
  plainEndpoint('/v1/chat/completions', 'chat'),
  plainEndpoint('/v1/completions', 'text'),
  plainEndpoint('/v1/embeddings', 'embeddings'),
  responses,
]

export const endpointPaths: readonly string[] = endpoints.map(({ path }) => path)

export function findEndpoint(path: string): BatchEndpoint | undefined {
  return endpoints.find((endpoint) => endpoint.path === path)
}
