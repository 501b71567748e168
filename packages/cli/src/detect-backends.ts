import type { DetectedBackend, DetectedModel } from '@inferq/config'
import { familyOf, ollamaBaseUrl, openaiBaseUrl, vllmBaseUrl } from '@inferq/config'
import { errorMessage, readEnvironment } from '@inferq/runtime'
import type { Variables } from './settings.ts'

export interface Detection {
  readonly found: readonly DetectedBackend[]
  /** Backends the environment names and that did not answer as they should. */
  readonly missing: readonly MissingBackend[]
}

export interface MissingBackend {
  readonly provider: string
  readonly baseUrl: string
  /** The variable that names it. */
  readonly variable: string
  readonly reason: string
}

const namedTimeoutMs = 3_000
const maxListBytes = 4 * 1024 * 1024

/** Those whose lists of models are asked for. */
type AskedProvider = 'ollama' | 'vllm' | 'openai'

/** Clouds whose key alone says that they are to be used: every model of theirs, as `<provider>/<model>`. */
const cloudProviders = ['anthropic', 'gemini', 'together_ai', 'groq', 'mistral', 'deepseek', 'openrouter'] as const

interface Place {
  readonly provider: AskedProvider
  readonly baseUrl: string
  /** Undefined: a guess, of which nobody hears when it is wrong. */
  readonly variable: string | undefined
  readonly apiKey: string | undefined
}

/**
 * Asks every backend that may be there, all at once, for its models. A cloud whose key the environment holds is not asked:
 * it costs a call abroad at every start, and the names of its models change by the week. Never throws.
 */
export async function detectBackends(variables: Variables, usual: UsualPlaces = usualPlaces): Promise<Detection> {
  const answers = await Promise.all(placesToLook(variables, usual).map((place) => ask(place, usual.patienceMs)))
  return {
    found: [...answers.flatMap((answer) => ('models' in answer ? [answer] : [])), ...cloudsOf(variables)],
    missing: answers.flatMap((answer) => ('variable' in answer ? [answer] : [])),
  }
}

/** Where backends listen when nobody says otherwise. */
export interface UsualPlaces {
  readonly ollama: string
  readonly vllm: string
  /** Whatever happens to listen there gets this long; a backend that was named gets longer. */
  readonly patienceMs: number
}
const usualPlaces: UsualPlaces = { ollama: ollamaBaseUrl, vllm: vllmBaseUrl, patienceMs: 300 }

function placesToLook(variables: Variables, usual: UsualPlaces): Place[] {
  const environment = readEnvironment(variables)
  const value = (name: string): string | undefined => environment.get(name)
  const local = (provider: 'ollama' | 'vllm', variable: string, apiKey: string | undefined): Place => {
    const named = value(variable)
    return { provider, baseUrl: named ?? usual[provider], variable: named && variable, apiKey }
  }
  const places = [
    local('ollama', 'OLLAMA_BASE_URL', value('OLLAMA_API_KEY')),
    local('vllm', 'VLLM_BASE_URL', value('VLLM_API_KEY')),
  ]
  const openaiKey = value('OPENAI_API_KEY')
  if (openaiKey !== undefined) {
    const baseUrl = value('OPENAI_BASE_URL') ?? openaiBaseUrl
    places.push({ provider: 'openai', baseUrl, variable: 'OPENAI_API_KEY', apiKey: openaiKey })
  }
  return places
}

/** One wildcard for each cloud whose key is set. The key itself is read where it is used. */
function cloudsOf(variables: Variables): DetectedBackend[] {
  const environment = readEnvironment(variables)
  return cloudProviders.flatMap((provider) => {
    const { keyVariables = [], baseUrlVariables = [], baseUrl: home } = familyOf(provider) ?? {}
    if (!keyVariables.some((name) => environment.get(name) !== undefined)) return []
    const baseUrl = baseUrlVariables.map((name) => environment.get(name)).find((url) => url !== undefined) ?? home
    if (baseUrl === undefined || !URL.canParse(baseUrl)) return []
    return [{ provider, baseUrl, models: [{ name: `${provider}/*`, upstreamModel: '*' }] }]
  })
}

type Answer = DetectedBackend | MissingBackend | { readonly nothing: true }

async function ask(place: Place, patienceMs: number): Promise<Answer> {
  const { provider, baseUrl, variable } = place
  try {
    const signal = AbortSignal.timeout(variable === undefined ? patienceMs : namedTimeoutMs)
    const body = await fetchList({ ...place, signal })
    const models = provider === 'ollama' ? readTags(body) : readModels(body, provider === 'vllm' && !variable)
    if (models !== null && models.length > 0) return { provider, baseUrl, models }
    if (variable === undefined) return { nothing: true }
    const reason = models === null ? `it answers, though not as ${provider} does` : 'it has no models'
    return { provider, baseUrl, variable, reason }
  } catch (thrown) {
    if (variable === undefined) return { nothing: true }
    return { provider, baseUrl, variable, reason: describeFailure(thrown) }
  }
}

/** A backend that answers, with a status that is no success. */
export class AnswerStatusError extends Error {
  readonly status: number

  constructor(status: number) {
    super(`it answers ${status}`)
    this.name = 'AnswerStatusError'
    this.status = status
  }
}

export interface ListQuestion {
  readonly provider: AskedProvider
  readonly baseUrl: string
  readonly apiKey: string | undefined
  readonly signal: AbortSignal
}

/** The models a backend lists; null when it answers in another shape. Throws when it does not answer. */
export async function fetchModels(question: ListQuestion): Promise<readonly DetectedModel[] | null> {
  const body = await fetchList(question)
  return question.provider === 'ollama' ? readTags(body) : readModels(body, false)
}

async function fetchList({ provider, baseUrl, apiKey, signal }: ListQuestion): Promise<unknown> {
  const root = baseUrl.replace(/\/+$/, '')
  const url = provider === 'ollama' ? `${root.replace(/\/(v1|api)$/, '')}/api/tags` : `${withVersion(root)}/models`
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  const response = await fetch(url, { signal, headers, redirect: 'error' })
  const text = await readText(response)
  if (!response.ok) throw new AnswerStatusError(response.status)
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function withVersion(root: string): string {
  return URL.canParse(root) && new URL(root).pathname === '/' ? `${root}/v1` : root
}

/** Bounded: whatever listens there may send without end. */
async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true })
    if (text.length > maxListBytes) throw new Error('it sends too much')
  }
  return text
}

/** Ollama's `GET /api/tags`; null when the answer has another shape. */
function readTags(body: unknown): DetectedModel[] | null {
  const models = property(body, 'models')
  if (!Array.isArray(models)) return null
  const names = models.map((model) => property(model, 'name'))
  return names.every((name) => typeof name === 'string') ? names.map((name) => ({ name })) : null
}

/** `GET /v1/models`; null when the answer has another shape, or is not vLLM's where that is to be told apart. */
function readModels(body: unknown, onlyVllm: boolean): DetectedModel[] | null {
  const data = property(body, 'data')
  if (!Array.isArray(data)) return null
  const models: DetectedModel[] = []
  for (const entry of data) {
    const name = property(entry, 'id')
    if (typeof name !== 'string') return null
    if (onlyVllm && property(entry, 'owned_by') !== 'vllm') return null
    const contextWindow = property(entry, 'max_model_len')
    const known = typeof contextWindow === 'number' && Number.isSafeInteger(contextWindow) && contextWindow > 0
    models.push({ name, ...(known ? { contextWindow } : {}) })
  }
  return models
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** In words, of what kept a backend from answering. */
export function describeFailure(thrown: unknown): string {
  if (thrown instanceof DOMException && thrown.name === 'TimeoutError') return 'it does not answer'
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  if (cause instanceof Error && 'code' in cause) return `it cannot be reached (${String(cause.code)})`
  return errorMessage(thrown)
}
