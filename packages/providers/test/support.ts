import type { ChoiceDelta } from '@inferq/contracts'
import { InferqError } from '@inferq/contracts'
import { createSimulator, type Simulator, type SimulatorOptions } from '@inferq/simulator'
import { createProvider, type Provider, type ProviderDependencies, type Upstream } from '../src/index.ts'

/** One provider that the suites run over: how to reach it at a simulator, and which cases make no sense for it. */
export interface Kind {
  readonly name: string
  upstream(simulatorUrl: string): Pick<Upstream, 'provider' | 'wire' | 'baseUrl'> & Partial<Upstream>
  readonly abilities: Abilities
}

export interface Abilities {
  /** Several choices (`n`). */
  readonly choices: boolean
  readonly logprobs: boolean
  readonly embeddings: boolean
  /** A `seed`, and where the upstream finds it in its body. */
  readonly seed?: readonly string[]
  /** Goes on with a given beginning of an answer. */
  readonly continues: boolean
  /** `listModels` knows its list. */
  readonly modelList: boolean
  /** The simulator counts the tokens of its streams. Mistral does so unasked, which the simulator does not. */
  readonly streamUsage: boolean
  /** An answer without usage is one; else it is malformed. */
  readonly mayOmitUsage: boolean
  /** A length of embeddings it takes. */
  readonly dimensions: number
  /** The header that carries the key, and what stands before it. */
  readonly keyHeader: readonly [name: string, before: string]
  /** Where the upstream's name of the model goes. */
  readonly modelIn: 'body' | 'path'
}

const openai: Abilities = {
  choices: true,
  logprobs: true,
  embeddings: true,
  seed: ['seed'],
  continues: false,
  modelList: true,
  streamUsage: true,
  mayOmitUsage: true,
  dimensions: 8,
  keyHeader: ['authorization', 'Bearer '],
  modelIn: 'body',
}

export const openaiKind: Kind = {
  name: 'openai',
  upstream: (url) => ({ provider: 'openai', wire: 'openai', baseUrl: url }),
  abilities: openai,
}
const azureKind: Kind = {
  name: 'azure',
  upstream: (url) => ({
    provider: 'azure',
    wire: 'openai',
    baseUrl: url,
    apiKey: 'azure-test-key',
    credentials: { api_version: '2024-10-21' },
  }),
  abilities: { ...openai, modelList: false, keyHeader: ['api-key', ''], modelIn: 'path' },
}
const mistralKind: Kind = {
  name: 'mistral',
  upstream: (url) => ({ provider: 'mistral', wire: 'openai', baseUrl: `${url}/v1`, apiKey: 'mistral-test-key' }),
  abilities: { ...openai, seed: ['random_seed'], continues: true, streamUsage: false },
}
const vllmKind: Kind = {
  name: 'vllm',
  upstream: (url) => ({ provider: 'vllm', wire: 'vllm', baseUrl: url }),
  abilities: { ...openai, continues: true },
}
const ollamaKind: Kind = {
  name: 'ollama',
  upstream: (url) => ({ provider: 'ollama', wire: 'ollama', baseUrl: url }),
  abilities: { ...openai, choices: false, seed: ['options', 'seed'], continues: true },
}

const aiSdk: Abilities = { ...openai, choices: false, logprobs: false, modelList: false }
const anthropicKind: Kind = {
  name: 'anthropic',
  upstream: (url) => ({ provider: 'anthropic', wire: 'anthropic', baseUrl: `${url}/v1`, apiKey: 'anthropic-test-key' }),
  abilities: {
    ...omit(aiSdk, 'seed'),
    embeddings: false,
    continues: true,
    keyHeader: ['x-api-key', ''],
    mayOmitUsage: false,
  },
}
const geminiKind: Kind = {
  name: 'gemini',
  upstream: (url) => ({ provider: 'gemini', wire: 'gemini', baseUrl: `${url}/v1beta`, apiKey: 'gemini-test-key' }),
  abilities: {
    ...aiSdk,
    seed: ['generationConfig', 'seed'],
    keyHeader: ['x-goog-api-key', ''],
    modelIn: 'path',
  },
}
const cohereKind: Kind = {
  name: 'cohere',
  upstream: (url) => ({ provider: 'cohere', wire: 'cohere', baseUrl: `${url}/v2`, apiKey: 'cohere-test-key' }),
  abilities: { ...aiSdk, dimensions: 256, mayOmitUsage: false },
}
const bedrockKind: Kind = {
  name: 'bedrock',
  upstream: (url) => ({
    provider: 'bedrock',
    wire: 'bedrock',
    baseUrl: url,
    apiKey: 'bedrock-test-key',
    credentials: { aws_region_name: 'eu-central-1' },
  }),
  abilities: { ...omit(aiSdk, 'seed'), modelIn: 'path', mayOmitUsage: false, dimensions: 256 },
}

export const kinds: readonly Kind[] = [
  openaiKind,
  azureKind,
  mistralKind,
  vllmKind,
  ollamaKind,
  anthropicKind,
  geminiKind,
  cohereKind,
  bedrockKind,
]

function omit<Whole extends object, Field extends keyof Whole>(whole: Whole, field: Field): Omit<Whole, Field> {
  const { [field]: _, ...rest } = whole
  return rest
}

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
    provider(kind: Kind, over: Partial<Upstream> = {}, dependencies: ProviderDependencies = {}): Provider {
      const provider = createProvider(
        { id: `test-${kind.name}`, model: 'sim', timeouts: patientTimeouts, ...kind.upstream(url), ...over },
        dependencies,
      )
      providers.push(provider)
      return provider
    },
    /** The last request's body, as the upstream got it. */
    lastBody(): Record<string, unknown> {
      return JSON.parse(this.lastRequest()?.body ?? '{}') as Record<string, unknown>
    },
    lastRequest() {
      return simulator.stats({ requests: true }).requests?.at(-1)
    },
    async close() {
      await Promise.all(providers.map((provider) => provider.close()))
      await simulator.stop()
    },
  }
}

export function call(
  request: Record<string, unknown>,
  over: { stream?: boolean; signal?: AbortSignal; requestId?: string; model?: string; continueFrom?: string } = {},
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
