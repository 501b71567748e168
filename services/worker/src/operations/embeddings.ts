import type { Operation } from './operation.ts'

/** Embeddings: one call. */
export const embed: Operation = async ({ spec, provider, signal, onFirstToken }) => {
  const { result, usage } = await provider.embed({ request: spec.request, signal, requestId: spec.requestId })
  onFirstToken()
  return { result, usage }
}
