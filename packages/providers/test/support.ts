import type { ChoiceDelta } from '@inferq/contracts'
import { InferqError } from '@inferq/contracts'
import { createSimulator, type Simulator, type SimulatorOptions } from '@inferq/simulator'
import {
  createProvider,
  type Provider,
  type ProviderDependencies,
  type ProviderKind,
  type Upstream,
} from '../src/index.ts'

export const kinds: readonly ProviderKind[] = ['openai', 'vllm', 'ollama']

export const patientTimeouts = { connectMs: 5_000, firstTokenMs: 8_000, idleMs: 8_000, responseMs: 8_000 }

/** What a sink has been told, in order; neighbouring texts joined. */
export function createRecorder() {
  const deltas: ChoiceDelta[] = []
  let text = ''
  let calls = 0
  return {
    text(piece: string) {
      calls += 1
      text += piece
    },
    deltas(more: readonly ChoiceDelta[]) {
      calls += 1
      deltas.push(...more)
    },
    get said() {
      return text
    },
    get calls() {
      return calls
    },
    heard: deltas,
  }
}

export const silentSink = { text: () => undefined, deltas: () => undefined }

/** A simulator and the providers made for it; `close` leaves nothing open. */
export async function createBench(options: SimulatorOptions = {}) {
  const simulator: Simulator = createSimulator({ recordBodies: true, ...options })
  await simulator.start()
  const { url } = simulator
  const providers: Provider[] = []
  return {
    simulator,
    provider(kind: ProviderKind, over: Partial<Upstream> = {}, dependencies: ProviderDependencies = {}): Provider {
      const provider = createProvider(
        {
          id: `test-${kind}`,
          provider: kind,
          model: 'sim',
          baseUrl: url,
          timeouts: patientTimeouts,
          ...over,
        },
        dependencies,
      )
      providers.push(provider)
      return provider
    },
    /** The last request's body, as the upstream got it. */
    lastBody(): Record<string, unknown> {
      const last = simulator.stats({ requests: true }).requests?.at(-1)
      return JSON.parse(last?.body ?? '{}') as Record<string, unknown>
    },
    async close() {
      await Promise.all(providers.map((provider) => provider.close()))
      await simulator.stop()
    },
  }
}

export function call(
  request: Record<string, unknown>,
  over: { stream?: boolean; signal?: AbortSignal; requestId?: string } = {},
) {
  return {
    request: { model: 'public-name', messages: [{ role: 'user', content: 'Tell me about rivers.' }], ...request },
    stream: true,
    signal: new AbortController().signal,
    requestId: 'req-1',
    ...over,
  }
}

/** The InferqError a call ends with; anything else fails the test. */
export async function failureOf(promise: Promise<unknown>): Promise<InferqError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (error instanceof InferqError) return error
  throw new Error(`expected an InferqError, got ${String(error)}`, { cause: error })
}

export async function until(condition: () => boolean, deadlineMs = 5_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${deadlineMs} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
