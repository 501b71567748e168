import type { Engine } from '../engine.ts'
import { hashText } from '../random.ts'
import { defaultDimensions } from './embedding-call.ts'

const defaultContextTokens = 131_072
const neverExpires = '2318-01-01T00:00:00Z'

/** The list of `/api/tags`. Ollama writes the default tag out. */
export function describeModels(engine: Engine): unknown[] {
  return engine.models.names().map((name) => ({ ...describe(name), modified_at: '2026-01-01T00:00:00Z' }))
}

/** The list of `/api/ps`: what is in memory, and until when. */
export function describeLoaded(engine: Engine): unknown[] {
  return engine.residency.list().map(({ name, loadOptions, expiresAt }) => {
    const options: unknown = JSON.parse(loadOptions)
    const { num_ctx: contextTokens } = options as { num_ctx?: unknown }
    const model = describe(name)
    return {
      ...model,
      expires_at: Number.isFinite(expiresAt) ? new Date(expiresAt).toISOString() : neverExpires,
      size_vram: model.size,
      context_length: contextTokens ?? 4_096,
    }
  })
}

/** The answer of `/api/show`. Throws a RequestError with 404. */
export function showModel(engine: Engine, name: string): unknown {
  const model = engine.models.resolve(name)
  const { script } = model
  return {
    modelfile: `FROM ${model.name}`,
    parameters: '',
    template: '{{ .Prompt }}',
    details: details(),
    model_info: {
      'general.architecture': 'simulated',
      'simulated.context_length': script.contextTokens ?? defaultContextTokens,
      'simulated.embedding_length': script.embedding?.dimensions ?? defaultDimensions,
    },
    capabilities: script.capabilities ?? (/embed/i.test(model.name) ? ['embedding'] : ['completion', 'tools']),
    modified_at: '2026-01-01T00:00:00Z',
  }
}

function describe(name: string) {
  const tagged = name.includes(':') ? name : `${name}:latest`
  const size = 1_000_000_000 + (hashText(name) % 1_000_000_000)
  return {
    name: tagged,
    model: tagged,
    size,
    digest: hashText(name).toString(16).padStart(64, '0'),
    details: details(),
  }
}

function details() {
  return {
    parent_model: '',
    format: 'gguf',
    family: 'simulated',
    families: ['simulated'],
    parameter_size: '1B',
    quantization_level: 'Q4_0',
  }
}
