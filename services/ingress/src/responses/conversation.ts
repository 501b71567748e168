import {
  type CreateResponseRequest,
  InferqError,
  inputItemId,
  inputItemsOf,
  isTerminal,
  jobIdOfItem,
  jobIdOfResponse,
  type ResponseItem,
  responseIdOf,
} from '@inferq/contracts'
import type { ResponseTurn } from '@inferq/store'
import type { IngressCore } from '../dependencies.ts'
import { findJob } from '../find-job.ts'
import { findResponse, outputOf, outputOfResult, responseNotFound } from './find-response.ts'

/** Turns of one conversation, and responses whose items one request refers to. */
const maxTurns = 200
const maxReferred = 200

export interface Conversation {
  /** Of the responses before, input and output, oldest first. */
  readonly previous: readonly ResponseItem[]
  /** Of this request, references resolved, each with an id. */
  readonly input: readonly ResponseItem[]
}

/** Everything the model gets to see beside the instructions. Throws InferqError naming the field. */
export async function readConversation(
  core: IngressCore,
  request: CreateResponseRequest,
  of: { readonly jobId: string; readonly owner: string },
): Promise<Conversation> {
  const { previous_response_id: previousId } = request
  const previous = previousId ? await readPrevious(core, previousId, of.owner) : []
  const resolved = await resolveReferences(core, inputItemsOf(request), previous, of.owner)
  return { previous, input: resolved.map((item, place) => withId(item, of.jobId, place)) }
}

/** The items of a response and of all it goes on after. */
export async function readPrevious(
  core: IngressCore,
  responseId: string,
  owner: string,
): Promise<readonly ResponseItem[]> {
  const param = 'previous_response_id'
  const jobId = jobIdOfResponse(responseId)
  const chain = jobId === null ? undefined : await core.store.responseChain(jobId, owner, maxTurns)
  if (chain === undefined || chain.turns.length === 0) throw responseNotFound(responseId, param)
  if (chain.kind === 'broken') {
    const message = 'A response that this conversation goes on after was deleted, or is past its retention.'
    throw new InferqError({ code: 'response_not_found', message, param })
  }
  if (chain.kind === 'too_long') {
    const message = `A conversation has at most ${maxTurns} turns: begin a new one, with what matters as its input.`
    throw new InferqError({ code: 'invalid_value', message, param })
  }
  const items: ResponseItem[] = []
  for (const turn of chain.turns) items.push(...turn.inputItems, ...(await outputOfTurn(core, turn, owner)))
  return items
}

async function outputOfTurn(core: IngressCore, turn: ResponseTurn, owner: string): Promise<readonly ResponseItem[]> {
  const { jobId, request, status, finishReason, result } = turn
  if (status === 'completed') return outputOfResult({ jobId, request }, { result, finishReason })
  if (status !== null && isTerminal(status)) return []
  // Not ended, as far as Postgres knows; it learns of it a moment later.
  const job = await findJob(core, jobId, owner)
  const response = { jobId, owner, request, previousJobId: null, inputItems: [], createdAt: 0 }
  const output = await outputOf(core, { response, job })
  if (output !== null) return output
  const message = `The response '${responseIdOf(jobId)}' has not ended yet.`
  throw new InferqError({ code: 'conflict', message, param: 'previous_response_id', retryAfterSeconds: 1 })
}

/** `item_reference`s as what they refer to: an item before in this conversation, or one of any stored response. */
async function resolveReferences(
  core: IngressCore,
  items: readonly ResponseItem[],
  previous: readonly ResponseItem[],
  owner: string,
): Promise<readonly ResponseItem[]> {
  const references = items.filter(isReference)
  if (references.length === 0) return items
  const known = new Map([...previous, ...items].filter((item) => !isReference(item)).map((item) => [item['id'], item]))
  const jobIds = new Set(references.flatMap(({ id }) => (known.has(id) ? [] : (jobIdOfItem(String(id)) ?? []))))
  if (jobIds.size > maxReferred) {
    const message = `A request may refer to items of at most ${maxReferred} responses.`
    throw new InferqError({ code: 'invalid_value', message, param: 'input' })
  }
  for (const jobId of jobIds) {
    for (const item of await itemsOf(core, jobId, owner)) known.set(item['id'], item)
  }
  return items.map((item, place) => {
    if (!isReference(item)) return item
    const found = known.get(item['id'])
    if (found !== undefined) return found
    const message = `Item with id '${String(item['id']).slice(0, 80)}' not found. Items of responses with 'store' false are not kept.`
    throw new InferqError({ code: 'invalid_value', message, param: `input[${place}].id` })
  })
}

function isReference(item: ResponseItem): boolean {
  const { type, role, content, id } = item
  // OpenAI takes an id alone for one.
  return (
    type === 'item_reference' || (type === undefined && role === undefined && content === undefined && id !== undefined)
  )
}

async function itemsOf(core: IngressCore, jobId: string, owner: string): Promise<readonly ResponseItem[]> {
  try {
    const found = await findResponse(core, responseIdOf(jobId), owner)
    return [...found.response.inputItems, ...((await outputOf(core, found)) ?? [])]
  } catch (thrown) {
    if (thrown instanceof InferqError && thrown.code === 'response_not_found') return []
    throw thrown
  }
}

/** As it is listed: with an id, a type, and its content in parts. */
function withId(item: ResponseItem, jobId: string, place: number): ResponseItem {
  const type = typeof item['type'] === 'string' ? item['type'] : 'message'
  const id = typeof item['id'] === 'string' ? item['id'] : inputItemId(type, jobId, place)
  const { content, role } = item
  const partType = role === 'assistant' ? 'output_text' : 'input_text'
  const parts = typeof content === 'string' ? { content: [{ type: partType, text: content }] } : {}
  return { ...item, id, type, ...parts }
}
