import { InferqError } from '@inferq/contracts'
import { interrupted } from './exchange.ts'
import type { Provider } from './port.ts'

/** A provider whose code is loaded by its first call, so that nobody pays for libraries of wires that are not spoken. */
export function createLazyProvider(continuesPrefix: boolean, load: () => Promise<Provider>): Provider {
  let loading: Promise<Provider> | undefined
  let isClosed = false

  async function provider(signal: AbortSignal): Promise<Provider> {
    signal.throwIfAborted()
    if (isClosed) throw interrupted()
    loading ??= load()
    const loaded = await loading.catch((cause: unknown) => {
      // The next call tries again.
      loading = undefined
      throw new InferqError(
        { code: 'internal_error', message: 'The adapter of this wire cannot be loaded.' },
        { cause },
      )
    })
    signal.throwIfAborted()
    if (isClosed) throw interrupted()
    return loaded
  }

  return {
    continuesPrefix,
    chat: async (call, sink) => (await provider(call.signal)).chat(call, sink),
    text: async (call, sink) => (await provider(call.signal)).text(call, sink),
    embed: async (call) => (await provider(call.signal)).embed(call),
    probe: async (options) => (await provider(options.signal)).probe(options),
    async close() {
      isClosed = true
      const loaded = await loading?.catch(() => undefined)
      await loaded?.close()
    },
  }
}
