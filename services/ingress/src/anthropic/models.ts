import { type AnthropicModel, type AnthropicModelList, InferqError } from '@inferq/contracts'
import type { KnownModel } from '../known-models.ts'
import { describeModel } from '../model-view.ts'

/** A model as Anthropic's clients know it. */
export function toAnthropicModel(model: KnownModel, createdSeconds: number): AnthropicModel {
  const { context_window: contextWindow, max_output_tokens: maxOutputTokens } = describeModel(model)
  return {
    type: 'model',
    id: model.name,
    display_name: model.name,
    created_at: new Date(createdSeconds * 1000).toISOString(),
    max_input_tokens: contextWindow,
    max_tokens: maxOutputTokens,
  }
}

/** https://docs.claude.com/en/api/models-list */
const maxPage = 1000

/** A page of the list, by Anthropic's `limit`, `after_id` and `before_id`. Without a limit it is the whole list. */
export function toAnthropicPage(
  models: readonly KnownModel[],
  query: Readonly<Record<string, unknown>>,
  createdSeconds: number,
): AnthropicModelList {
  const limit = limitOf(query['limit'])
  const { after_id: after, before_id: before } = query
  const start = after === undefined ? 0 : placeOf(models, 'after_id', after) + 1
  const end = before === undefined ? models.length : placeOf(models, 'before_id', before)
  const within = models.slice(start, Math.max(start, end))
  const page = before === undefined ? within.slice(0, limit) : within.slice(-limit)
  return {
    data: page.map((model) => toAnthropicModel(model, createdSeconds)),
    has_more: page.length < within.length,
    first_id: page[0]?.name ?? null,
    last_id: page.at(-1)?.name ?? null,
  }
}

function limitOf(limit: unknown): number {
  if (limit === undefined) return maxPage
  const value = typeof limit === 'string' && /^\d{1,4}$/.test(limit) ? Number(limit) : 0
  if (value >= 1 && value <= maxPage) return value
  const message = `Invalid value for 'limit': must be an integer from 1 to ${maxPage}.`
  throw new InferqError({ code: 'invalid_value', message, param: 'limit' })
}

function placeOf(models: readonly KnownModel[], field: string, id: unknown): number {
  const place = models.findIndex(({ name }) => name === id)
  if (place >= 0) return place
  throw new InferqError({
    code: 'invalid_value',
    message: `Invalid value for '${field}': no such model.`,
    param: field,
  })
}
