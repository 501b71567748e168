import { familyOf } from '@inferq/config'
import { createHttpClient } from './http-client.ts'
import { isObject, malformed, parseUpstreamObject } from './json.ts'
import { ollamaBasePath } from './ollama.ts'
import { openAIPath } from './openai-address.ts'
import type { Upstream } from './port.ts'

/**
 * The ids of the models an upstream offers, in its order: `/models` on OpenAI's wire, `/api/tags` of Ollama. Ends with
 * an InferqError after `timeoutMs` at the latest; a caller's signal ends it with the signal's reason.
 */
export async function listModels(
  upstream: Pick<Upstream, 'provider' | 'baseUrl' | 'apiKey' | 'headers' | 'credentials'>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<readonly string[]> {
  const { timeoutMs } = options
  const timeouts = { connectMs: timeoutMs, firstTokenMs: timeoutMs, idleMs: timeoutMs, responseMs: timeoutMs }
  const http = createHttpClient({ ...upstream, timeouts }, { connections: 1, maxResponseBytes: 8 * 1024 * 1024 })
  const isOllama = familyOf(upstream.provider)?.wire === 'ollama'
  const path = isOllama ? `${ollamaBasePath(upstream.baseUrl)}/api/tags` : openAIPath(upstream, 'models', '')
  try {
    const signal = options.signal ?? new AbortController().signal
    const answer = parseUpstreamObject(await http.whole({ path, requestId: 'list-models', signal }))
    const list = answer[isOllama ? 'models' : 'data']
    if (!Array.isArray(list)) throw malformed('The upstream did not send a list of models.')
    const name = isOllama ? 'name' : 'id'
    return list.flatMap((model) => (isObject(model) && typeof model[name] === 'string' ? [model[name]] : []))
  } finally {
    await http.close()
  }
}
