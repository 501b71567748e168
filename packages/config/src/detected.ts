import type { DeploymentDraft } from './deployment.ts'
import type { DeploymentMode, ProviderName } from './inferq-config.ts'
import { apiKeyVariables, normalBaseUrl } from './upstream.ts'

/** A backend that was found running, as data: finding it is somebody else's work. Holds no secret. */
export interface DetectedBackend {
  readonly provider: ProviderName
  readonly baseUrl: string
  readonly models: readonly DetectedModel[]
  /** The built-in simulator. */
  readonly simulated?: boolean
}

export interface DetectedModel {
  readonly name: string
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
    backend.models.filter(isServable).map((model) => ({
      model: backend.provider === 'ollama' ? model.name.replace(/:latest$/, '') : model.name,
      provider: backend.provider,
      upstreamModel: model.name,
      baseUrl: normalBaseUrl(backend.provider, backend.baseUrl),
      apiKey: backend.simulated ? undefined : variable(apiKeyVariables[backend.provider]),
      class: backend.simulated ? 'simulated' : undefined,
      mode: model.mode ?? (isEmbeddingName(model.name) ? 'embedding' : 'chat'),
      weights: {},
      defaults: {},
      timeouts: {},
      contextWindow: model.contextWindow,
      options: {},
      headers: {},
      simulated: backend.simulated ?? false,
    })),
  )
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
