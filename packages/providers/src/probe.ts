import type { CompletionSink, Provider } from './port.ts'

const unheard: CompletionSink = { text: () => undefined, deltas: () => undefined }

/** The smallest call of a provider that only a model which serves can answer. `maxTokens`: the least the upstream takes. */
export async function probe(
  provider: Pick<Provider, 'chat' | 'embed'>,
  { mode, signal, model }: Parameters<Provider['probe']>[0],
  maxTokens: number,
): Promise<void> {
  const call = { signal, requestId: 'probe', ...(model === undefined ? {} : { model }) }
  if (mode === 'embedding') {
    await provider.embed({ ...call, request: { input: 'ping' } })
    return
  }
  const request = { messages: [{ role: 'user', content: 'ping' }], max_tokens: maxTokens }
  await provider.chat({ ...call, stream: false, request }, unheard)
}
