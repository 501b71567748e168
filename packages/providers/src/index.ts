import { createOllamaProvider } from './ollama.ts'
import { createOpenAIProvider } from './openai.ts'
import type { Provider, ProviderDependencies, Upstream } from './port.ts'

export { type CollectedMeta, type Collector, type CollectorOptions, createCollector } from './collector.ts'
export { listModels } from './models.ts'
export type {
  CompletionOutcome,
  CompletionSink,
  EmbeddingOutcome,
  Provider,
  ProviderCall,
  ProviderDependencies,
  ProviderKind,
  Upstream,
  UpstreamTimeouts,
} from './port.ts'

/** The adapter for an upstream. Connects at the first call; `close` it in the end. */
export function createProvider(upstream: Upstream, dependencies: ProviderDependencies = {}): Provider {
  switch (upstream.provider) {
    case 'openai':
    case 'vllm':
      return createOpenAIProvider(upstream, dependencies)
    case 'ollama':
      return createOllamaProvider(upstream, dependencies)
    default:
      return unknownProvider(upstream.provider)
  }
}

function unknownProvider(provider: never): never {
  throw new TypeError(`There is no adapter for the provider ${String(provider)}.`)
}
