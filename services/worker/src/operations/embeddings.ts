import type { Operation } from './operation.ts'

/** Embeddings: one call. */
export const embed: Operation = async ({ spec, provider, upstreamModel, signal, onFirstToken }) => {
  const call = { request: spec.request, signal, requestId: spec.requestId, model: upstreamModel }
  const { result, usage } = await provider.embed(call)
  onFirstToken()
  return { kind: 'answer', result, usage }
}
