import { lookUpModel } from '@inferq/catalog'
import type { DeploymentDraft } from './deployment.ts'
import { familyOf } from './families/index.ts'
import type { DeploymentMode } from './inferq-config.ts'
import { keyOf, normalBaseUrl } from './upstream.ts'

/** A backend that was found running, as data: finding it is somebody else's work. Holds no secret. */
export interface DetectedBackend {
  /** The name of a family, such as `ollama`, `openai`, `anthropic`. */
  readonly provider: string
  readonly baseUrl: string
  readonly models: readonly DetectedModel[]
  /** The built-in simulator. */
  readonly simulated?: boolean
}

export interface DetectedModel {
  /** The public name; may hold one `*`. */
  readonly name: string
  /** The name at the upstream, where it is another: `*` for `openai/*`. */
  readonly upstreamModel?: string
  readonly mode?: DeploymentMode
  readonly contextWindow?: number
}

/** The models that the built-in simulator serves when there is no backend. */
export const simulatedModels: readonly DetectedModel[] = [
  { name: 'simulated', mode: 'chat', contextWindow: 8192 },
  { name: 'simulated-embed', mode: 'embedding', contextWindow: 8192 },
]

/** A deployment for every model of every backend; `variable` gives the first set of some environment variables. */
export function draftDetected(
  backends: readonly DetectedBackend[],
  variable: (names: readonly string[]) => string | undefined,
): DeploymentDraft[] {
  return backends.flatMap((backend) =>
    backend.models.filter(isServable).flatMap((model) => draftModel(backend, model, variable) ?? []),
  )
}

function draftModel(
  backend: DetectedBackend,
  model: DetectedModel,
  variable: (names: readonly string[]) => string | undefined,
): DeploymentDraft | undefined {
  const family = familyOf(backend.provider)
  if (family === undefined) return undefined
  const upstreamModel = model.upstreamModel ?? model.name
  const isPublic = !backend.simulated && !upstreamModel.includes('*')
  const known = isPublic ? lookUpModel(family.name, upstreamModel) : null
  const isWildcard = model.name.includes('*')
  const mode =
    model.mode ?? known?.mode ?? (isEmbeddingName(model.name) ? 'embedding' : isWildcard ? undefined : 'chat')
  const contextWindow = model.contextWindow ?? known?.contextWindow
  return {
    id: undefined,
    model: family.wire === 'ollama' ? model.name.replace(/:latest$/, '') : model.name,
    family,
    upstreamModel,
    baseUrl: normalBaseUrl(family, backend.baseUrl),
    apiKey: backend.simulated ? undefined : keyOf(family, variable),
    credentials: {},
    class: backend.simulated ? 'simulated' : undefined,
    ...(mode === undefined ? {} : { mode }),
    ...(known?.price === undefined ? {} : { price: known.price }),
    ...(contextWindow === undefined ? {} : { contextWindow }),
    ...(known?.maxOutputTokens === undefined ? {} : { maxOutputTokens: known.maxOutputTokens }),
    capabilities: known?.capabilities ?? {},
    weights: {},
    defaults: {},
    timeouts: {},
    options: {},
    headers: {},
    simulated: backend.simulated ?? false,
    order: undefined,
    tags: [],
    limits: {},
    info: {},
    source: 'detected',
    fallbacks: [],
    place: { file: 'environment', line: 0, key: model.name },
  }
}

/** Lists of models name some that answer neither chats nor embeddings (OpenAI's images, speech, moderation). */
function isServable(model: DetectedModel): boolean {
  const other =
    /(^|[-/])(dall-e|gpt-image|chatgpt-image|sora|whisper|tts|realtime|audio|transcribe|omni-moderation)|moderation/
  return model.name !== '' && model.name.length <= 256 && !other.test(model.name)
}

/** Backends rarely say what a model is for; the names of embedding models do. */
function isEmbeddingName(name: string): boolean {
  return /embed|(^|[-/])(bge|gte|e5|all-minilm|minilm|paraphrase|sentence-transformers)([-:/]|$)/i.test(name)
}
