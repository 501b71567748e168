import type { PromptSize } from './prompt-size.ts'
import type { RouteRequest } from './router.ts'

/** What conditions can ask about a request, under the names they use. Unknown texts are ''. */
export interface RouteFacts {
  readonly user_tier: string
  readonly task_type: string
  readonly feature: string
  readonly team: string
  readonly user: string
  readonly key: string
  /** As the client named it. */
  readonly model: string
  readonly operation: string
  readonly stream: boolean
  /** Estimated, of the prompt. */
  readonly tokens: number
  /** The request's, and over it the key's. */
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tags: readonly string[]
  /** Whatever the client says belongs together; no condition sees it. */
  readonly session: string
}

/** More than anyone needs; it bounds the work that a request can cause. */
const maxTags = 100

/** Identity wins over what the request says of itself. Everything that costs something is worked out when asked for, once. */
export function createFacts(request: RouteRequest, prompt: PromptSize): RouteFacts {
  const { caller, body, headers } = request
  const said = (name: string, header: string): string =>
    text(caller.metadata[name]) || text(request.metadata[name]) || text(single(headers[header]))
  let metadata: Readonly<Record<string, unknown>> | undefined
  let tags: readonly string[] | undefined
  return {
    user_tier: said('user_tier', 'x-inferq-user-tier'),
    task_type: said('task_type', 'x-inferq-task-type'),
    feature: said('feature', 'x-inferq-feature'),
    team: caller.team ?? '',
    user: caller.user ?? text(body['user']),
    key: caller.key ?? '',
    model: request.model,
    operation: request.operation,
    stream: body['stream'] === true,
    get tokens() {
      return prompt.total().tokens
    },
    get metadata() {
      metadata ??= { ...request.metadata, ...caller.metadata }
      return metadata
    },
    get tags() {
      tags ??= readTags([
        caller.metadata['tags'],
        request.metadata['tags'],
        body['tags'],
        single(headers['x-inferq-tags']),
      ])
      return tags
    },
    session: text(single(headers['x-inferq-session'])),
  }
}

/** The most the caller wants to pay, in USD. */
export type MaxCost =
  | { readonly kind: 'none' }
  | { readonly kind: 'limit'; readonly usd: number }
  | { readonly kind: 'invalid' }

export function readMaxCost(headers: RouteRequest['headers']): MaxCost {
  const value = single(headers['x-inferq-max-cost'])?.trim()
  if (value === undefined) return { kind: 'none' }
  if (!/^\d{1,15}(\.\d{1,15})?$|^\.\d{1,15}$/.test(value)) return { kind: 'invalid' }
  return { kind: 'limit', usd: Number(value) }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

/** Lists of texts, or texts with commas, as metadata of OpenAI's can only be. */
function readTags(sources: readonly unknown[]): readonly string[] {
  const tags = new Set<string>()
  for (const source of sources) {
    for (const tag of typeof source === 'string' ? source.split(',', maxTags) : Array.isArray(source) ? source : []) {
      const trimmed = text(tag).trim()
      if (trimmed !== '' && tags.size < maxTags) tags.add(trimmed)
    }
  }
  return [...tags]
}
