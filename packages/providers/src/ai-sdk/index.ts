import { randomUUID } from 'node:crypto'
import type { LanguageModelV4, LanguageModelV4StreamPart } from '@ai-sdk/provider'
import { createCollector } from '../collector.ts'
import { CompletionState } from '../completion-state.ts'
import { givenText } from '../continuation.ts'
import { interrupted } from '../exchange.ts'
import { malformed } from '../json.ts'
import type {
  CompletionOutcome,
  CompletionSink,
  Provider,
  ProviderCall,
  ProviderDependencies,
  Upstream,
} from '../port.ts'
import { createTokenTally, settleUsage } from '../usage.ts'
import { createAnswerReader } from './answer.ts'
import { type CallGuard, createCallGuard } from './call-guard.ts'
import { prepareCall } from './call-options.ts'
import { createConnection } from './connection.ts'
import { continuesPrefix } from './continues-prefix.ts'
import { embedAll } from './embeddings.ts'
import { sdkError } from './errors.ts'
import { awsRegion, isSdkWire, loadSdk, type SdkModels, type SdkWire } from './sdk.ts'

const defaultResponseMs = 600_000
// As in exchange.ts: the stream is over, the connection worth this long a wait for its end.
const trailingMs = 1_000

/**
 * Calls of Anthropic, Gemini, Bedrock and Cohere, each by the Vercel AI SDK's package of its vendor, which is imported at the
 * first call. The SDKs know the wires; connections, deadlines, bounds and errors are ours.
 */
export function createAiSdkProvider(given: Upstream, dependencies: ProviderDependencies): Provider {
  const wire = sdkWire(given)
  const upstream = { ...given, baseUrl: given.baseUrl.replaceAll('{region}', awsRegion(given)).replace(/\/+$/, '') }
  const secrets = secretCredentials(upstream)
  const connection = createConnection(upstream, dependencies, secrets)
  const { timeouts } = upstream
  const open = new Set<CallGuard>()
  let sdk: Promise<SdkModels> | undefined
  let closed = false

  /** Runs a call under a guard of its own; whatever goes wrong in it is told as the first thing that went wrong. */
  async function guarded<Outcome>(
    call: Pick<ProviderCall, 'signal'>,
    isStream: boolean,
    run: (guard: CallGuard, models: SdkModels) => Promise<Outcome>,
  ): Promise<Outcome> {
    call.signal.throwIfAborted()
    if (closed) throw interrupted()
    const { firstTokenMs, idleMs, responseMs = defaultResponseMs } = timeouts
    const limits = isStream ? { firstMs: firstTokenMs, idleMs } : { firstMs: responseMs, idleMs, totalMs: responseMs }
    const guard = createCallGuard(call.signal, limits)
    open.add(guard)
    try {
      sdk ??= loadSdk(upstream, wire)
      return await run(guard, await guard.settle(sdk))
    } catch (error) {
      throw guard.failure === undefined ? sdkError(error, secrets) : guard.failure.reason
    } finally {
      guard.end()
      open.delete(guard)
    }
  }

  async function complete(
    operation: 'chat' | 'text',
    call: ProviderCall,
    sink: CompletionSink,
  ): Promise<CompletionOutcome> {
    const model = call.model ?? upstream.model
    const given = givenText(call, operation, continuesPrefix(wire, model))
    const { options, extraFields } = prepareCall(operation, upstream, wire, call.request, given)
    const tally = createTokenTally()
    const collector = createCollector(operation, { maxOutputBytes: Number.POSITIVE_INFINITY })
    const state = new CompletionState(call.stream ? sink : collector, tally, 1)
    const reader = createAnswerReader(operation, state, {
      secrets,
      ...(given === undefined ? {} : { afterPrefix: given }),
    })
    const outcome = () => ({
      ...(state.finishReason === undefined ? {} : { finishReason: state.finishReason }),
      usage: settleUsage(state.usage, call.request, tally.total),
    })

    return guarded(call, call.stream, async (guard, models) => {
      const fetchCall = { guard, requestId: call.requestId, isWhole: !call.stream, extraFields }
      const chat = models.chat(model, connection.fetchFor(fetchCall))
      const callOptions = { ...options, abortSignal: guard.signal }
      if (call.stream) {
        await readStream(chat, callOptions, guard, state, reader)
        return outcome()
      }
      const answer = await guard.settle(chat.doGenerate(callOptions))
      const { raw, unified } = answer.finishReason
      if (raw === undefined && (unified === 'other' || unified === 'interrupted')) {
        throw malformed('The upstream sent an answer that does not say how it ended.')
      }
      reader.whole(answer.content)
      reader.finish(answer.finishReason, answer.usage, answer.providerMetadata)
      const settled = outcome()
      const id = `${operation === 'chat' ? 'chatcmpl' : 'cmpl'}-${answer.response?.id ?? randomUUID()}`
      const created = Math.floor((answer.response?.timestamp?.getTime() ?? Date.now()) / 1_000)
      return { result: collector.result({ id, created, model, usage: settled.usage }), ...settled }
    })
  }

  function embed(call: Omit<ProviderCall, 'stream' | 'continueFrom'>) {
    const model = call.model ?? upstream.model
    return guarded(call, false, (guard, models) => {
      const fetchCall = { guard, requestId: call.requestId, isWhole: true, extraFields: {} }
      const embedding = models.embedding(model, connection.fetchFor(fetchCall))
      return embedAll(embedding, { upstream, wire, request: call.request, guard })
    })
  }

  return {
    continuesPrefix: continuesPrefix(wire, upstream.model),
    chat: (call, sink) => complete('chat', call, sink),
    text: (call, sink) => complete('text', call, sink),
    embed,
    async probe({ mode, signal, model }) {
      const common = { signal, requestId: 'probe', ...(model === undefined ? {} : { model }) }
      if (mode === 'embedding') {
        await embed({ ...common, request: { input: 'ping' } })
        return
      }
      const request = { messages: [{ role: 'user', content: 'ping' }], max_tokens: 1 }
      await complete('chat', { ...common, request, stream: false }, { text: () => undefined, deltas: () => undefined })
    },
    async close() {
      closed = true
      for (const guard of open) guard.fail(interrupted())
      await connection.close()
    },
  }
}

type StreamOptions = Parameters<LanguageModelV4['doStream']>[0]

/** Every part reaches the sink in the turn it arrives in. */
async function readStream(
  model: LanguageModelV4,
  options: StreamOptions,
  guard: CallGuard,
  state: CompletionState,
  reader: ReturnType<typeof createAnswerReader>,
): Promise<void> {
  const { stream } = await guard.settle(model.doStream(options))
  const parts = stream.getReader()
  let isWhole = false
  try {
    for (;;) {
      const { done, value } = await guard.settle(parts.read())
      if (done) break
      if (isWhole) continue
      read(value)
    }
  } catch (error) {
    // Once the answer is whole nothing can spoil it any more, neither silence nor a break.
    if (!isWhole) throw error
  } finally {
    parts.cancel().catch(() => undefined)
  }
  if (!isWhole) throw interrupted()

  function read(part: LanguageModelV4StreamPart): void {
    try {
      reader.part(part)
    } catch (error) {
      // Ours, or the sink's own: it is passed on as it is.
      guard.fail(error)
      throw error
    }
    isWhole = state.ended
    if (isWhole) guard.expectWithin(trailingMs, interrupted)
    else if (state.started && part.type !== 'ping') guard.progress()
  }
}

/** Those of the credentials nobody may read in a message; a region is none. */
function secretCredentials(upstream: Upstream): readonly string[] {
  return Object.entries(upstream.credentials ?? {}).flatMap(([name, value]) =>
    name !== 'aws_region_name' && value.length >= 8 ? [value] : [],
  )
}

function sdkWire({ wire }: Upstream): SdkWire {
  if (isSdkWire(wire)) return wire
  throw new TypeError(`The wire ${wire} is not one of the AI SDK's.`)
}
