import type { WireName } from '@inferq/config'
import { AnswerStatusError, describeFailure, fetchModels } from '../detect-backends.ts'
import type { BackendTarget } from './pin-config.ts'

/** What a backend lists, by the wire it was asked on. */
export type BackendModels = ReadonlyMap<WireName, readonly string[]>

export type BackendAnswer =
  | { readonly kind: 'ready'; readonly models: BackendModels }
  /** Nobody listens there. */
  | { readonly kind: 'gone'; readonly reason: string }
  /** Somebody does, and does not answer as it should: loading, overloaded, broken, or something else. */
  | { readonly kind: 'unwell'; readonly reason: string }

type TargetAnswer =
  | { readonly kind: 'ready'; readonly models: readonly string[] }
  /** It speaks another wire. */
  | { readonly kind: 'other'; readonly reason: string }
  | Exclude<BackendAnswer, { readonly kind: 'ready' }>

const timeoutMs = 5_000

/** Asks on every wire there may be models for; one that the backend does not speak has none. Never throws. */
export async function askBackend(targets: readonly BackendTarget[], signal: AbortSignal): Promise<BackendAnswer> {
  const answers = await Promise.all(targets.map((target) => askTarget(target, signal)))
  const models = new Map<WireName, readonly string[]>()
  let reason = 'no class has a model for it'
  for (const [at, answer] of answers.entries()) {
    if (answer.kind === 'gone' || answer.kind === 'unwell') return answer
    const wire = targets[at]?.wire
    if (answer.kind === 'other') reason = answer.reason
    else if (wire !== undefined) models.set(wire, answer.models)
  }
  return models.size === 0 ? { kind: 'unwell', reason } : { kind: 'ready', models }
}

async function askTarget({ wire, baseUrl, apiKey }: BackendTarget, signal: AbortSignal): Promise<TargetAnswer> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
  try {
    if (wire === 'vllm') await checkHealth(baseUrl, either)
    const provider = wire === 'ollama' ? 'ollama' : 'openai'
    const models = await fetchModels({ provider, baseUrl, apiKey, signal: either })
    if (models === null) return { kind: 'other', reason: `it answers, though not as ${wire} does` }
    return { kind: 'ready', models: models.map(({ name }) => name) }
  } catch (thrown) {
    const reason = describeFailure(thrown)
    if (thrown instanceof AnswerStatusError && thrown.status === 404) return { kind: 'other', reason }
    return { kind: isNobody(thrown) ? 'gone' : 'unwell', reason }
  }
}

/** vLLM lists its models even when its engine is dead; `/health` tells. Servers without that page answer 404. */
async function checkHealth(baseUrl: string, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${baseUrl.replace(/\/v1$/, '')}/health`, { signal, redirect: 'error' })
  await response.body?.cancel()
  if (response.status >= 500) throw new AnswerStatusError(response.status)
}

const nobodyCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_SOCKET',
])

function isNobody(thrown: unknown): boolean {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  return cause instanceof Error && 'code' in cause && nobodyCodes.has(String(cause.code))
}
