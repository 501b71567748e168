import { continuesPrefix } from './ai-sdk/continues-prefix.ts'
import { createLazyProvider } from './lazy-provider.ts'
import { createOllamaProvider } from './ollama.ts'
import { createOpenAIProvider } from './openai.ts'
import type { Provider, ProviderDependencies, Upstream } from './port.ts'

export { type CollectedMeta, type Collector, type CollectorOptions, createCollector } from './collector.ts'
export { createLoadedModelsReader, type LoadedModelsReader } from './loaded-models.ts'
export { listModels } from './models.ts'
export { isOwnField } from './own-fields.ts'
export type {
  CompletionOutcome,
  CompletionSink,
  EmbeddingOutcome,
  EngineLoad,
  Provider,
  ProviderCall,
  ProviderDependencies,
  Upstream,
  UpstreamTimeouts,
} from './port.ts'

/** The adapter for an upstream. Connects at the first call; `close` it in the end. */
export function createProvider(upstream: Upstream, dependencies: ProviderDependencies = {}): Provider {
  const { wire } = upstream
  switch (wire) {
    case 'openai':
    case 'vllm':
      return createOpenAIProvider(upstream, dependencies)
    case 'ollama':
      return createOllamaProvider(upstream, dependencies)
    case 'anthropic':
    case 'gemini':
    case 'bedrock':
    case 'cohere':
      return createLazyProvider(continuesPrefix(wire, upstream.model), async () => {
        const { createAiSdkProvider } = await import('./ai-sdk/index.ts')
        return createAiSdkProvider(upstream, dependencies)
      })
    default:
      return unknownWire(wire)
  }
}

function unknownWire(wire: never): never {
  throw new TypeError(`There is no adapter for the wire ${String(wire)}.`)
}
