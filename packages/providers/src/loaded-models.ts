import { createHttpClient } from './http-client.ts'
import { isObject, malformed, parseUpstreamObject } from './json.ts'
import { ollamaBasePath } from './ollama.ts'
import type { Upstream } from './port.ts'

/** Asks an Ollama what it has in memory. */
export interface LoadedModelsReader {
  /** Names as it lists them, with their tags. Rejects with an InferqError, with the signal's reason when that aborts. */
  read(signal: AbortSignal): Promise<readonly string[]>
  close(): Promise<void>
}

/** Of `/api/ps`. An answer is waited for `timeoutMs` at most. */
export function createLoadedModelsReader(
  upstream: Pick<Upstream, 'provider' | 'baseUrl' | 'apiKey' | 'headers' | 'credentials'>,
  { timeoutMs }: { readonly timeoutMs: number },
): LoadedModelsReader {
  const timeouts = { connectMs: timeoutMs, firstTokenMs: timeoutMs, idleMs: timeoutMs, responseMs: timeoutMs }
  const http = createHttpClient({ ...upstream, timeouts }, { connections: 1, maxResponseBytes: 1024 * 1024 })
  const path = `${ollamaBasePath(upstream.baseUrl)}/api/ps`
  return {
    async read(signal) {
      const { models } = parseUpstreamObject(await http.whole({ path, requestId: 'loaded-models', signal }))
      if (!Array.isArray(models)) throw malformed('The upstream did not send a list of loaded models.')
      return models.flatMap((model) => (isObject(model) && typeof model['name'] === 'string' ? [model['name']] : []))
    },
    close: http.close,
  }
}
