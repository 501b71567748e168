import { StringDecoder } from 'node:string_decoder'
import type { TokenUsage } from '@inferq/contracts'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { CompletionState } from './completion-state.ts'
import { cutEcho, givenText, withoutEcho } from './continuation.ts'
import { secretsOf } from './credentials.ts'
import { embeddingsAsAsked, withEmbeddingUsage } from './embedding-list.ts'
import { type AnswerReader, interrupted } from './exchange.ts'
import { isFailure, parseFailure, toError } from './failure.ts'
import { createHttpClient } from './http-client.ts'
import { isObject, type JsonObject, malformed, parseUpstreamObject } from './json.ts'
import { continuationPath, openAIPath, quirksOf } from './openai-address.ts'
import { readChunk } from './openai-chunk.ts'
import { choicesAsked, openAIBody } from './openai-request.ts'
import type {
  CompletionOutcome,
  CompletionSink,
  EmbeddingOutcome,
  EngineLoad,
  Provider,
  ProviderCall,
  ProviderDependencies,
  Upstream,
} from './port.ts'
import { probe } from './probe.ts'
import { createTokenTally, parseUsage, settleUsage, withUsage } from './usage.ts'
import { metricsPath, parseVllmMetrics } from './vllm-metrics.ts'

// One event may hold an image; no honest one is longer. In UTF-16 units.
const maxEventLength = 32 * 1024 * 1024

/** Calls of OpenAI, of vLLM, of Azure and of everything else that speaks OpenAI's wire. */
export function createOpenAIProvider(upstream: Upstream, dependencies: ProviderDependencies): Provider {
  const http = createHttpClient(upstream, dependencies)
  const secrets = secretsOf(upstream)
  const quirks = quirksOf(upstream.provider)
  const headerId = upstream.wire === 'vllm' ? uniqueRequestId : (id: string) => id
  const continuesPrefix = continuationPath(upstream, upstream.model) !== undefined

  async function complete(
    operation: 'chat' | 'text',
    call: ProviderCall,
    sink: CompletionSink,
  ): Promise<CompletionOutcome> {
    const model = call.model ?? upstream.model
    const given = givenText(call, operation, continuesPrefix)
    const route = openAIPath(upstream, operation === 'chat' ? 'chat/completions' : 'completions', model)
    const request = {
      path: given === undefined ? route : (continuationPath(upstream, model) ?? route),
      body: JSON.stringify(openAIBody(upstream, call.request, { stream: call.stream, model, given })),
      requestId: headerId(call.requestId),
      signal: call.signal,
    }
    const echo = quirks.echoesPrefix === true ? given : undefined
    if (!call.stream) {
      const result = parseUpstreamObject(await http.whole(request, 'answer'))
      return wholeOutcome(echo === undefined ? result : cutEcho(result, echo), call.request, secrets)
    }
    const tally = createTokenTally()
    const hearing = echo === undefined ? sink : withoutEcho(sink, echo)
    const state = new CompletionState(hearing, tally, choicesAsked(call.request))
    await http.stream(request, createEventReader(operation, state, secrets))
    return {
      ...(state.finishReason === undefined ? {} : { finishReason: state.finishReason }),
      usage: settleUsage(state.usage, call.request, tally.total),
    }
  }

  async function embed(call: Omit<ProviderCall, 'stream'>): Promise<EmbeddingOutcome> {
    const model = call.model ?? upstream.model
    const answer = await http.whole({
      path: openAIPath(upstream, 'embeddings', model),
      body: JSON.stringify(openAIBody(upstream, call.request, { model })),
      requestId: headerId(call.requestId),
      signal: call.signal,
    })
    const result = parseUpstreamObject(answer)
    throwIfFailure(result, secrets)
    const asked = embeddingsAsAsked(result, call.request['encoding_format'], inputsAsked(call.request))
    const usage = embeddingUsage(result, call.request)
    return { result: withEmbeddingUsage(asked, usage.promptTokens), usage }
  }

  async function readLoad(signal: AbortSignal): Promise<readonly EngineLoad[]> {
    const path = metricsPath(upstream.baseUrl)
    return parseVllmMetrics(await http.whole({ path, requestId: 'load', signal }, 'answer'))
  }

  const chat: Provider['chat'] = (call, sink) => complete('chat', call, sink)
  return {
    continuesPrefix,
    chat,
    text: (call, sink) => complete('text', call, sink),
    embed,
    probe: (options) => probe({ chat, embed }, options, quirks.minMaxTokens ?? 1),
    ...(upstream.wire === 'vllm' ? { readLoad } : {}),
    close: http.close,
  }
}

/** vLLM takes the header as the id of its own request and refuses one that is still running, as after a lost worker. */
function uniqueRequestId(requestId: string): string {
  return `${requestId}-${Math.random().toString(36).slice(2, 10)}`
}

/** Reads a stream of events in OpenAI's shape into the state. */
export function createEventReader(
  operation: 'chat' | 'text',
  state: CompletionState,
  secrets: readonly string[],
): AnswerReader {
  const decoder = new StringDecoder('utf8')
  const onEvent = ({ data, event }: EventSourceMessage): void => {
    if (state.ended) return
    state.progress += 1
    if (data === '[DONE]') {
      state.ended = true
      return
    }
    const chunk = parseUpstreamObject(data)
    if (event === 'error' || isFailure(chunk)) throw toError(parseFailure(chunk), { secrets })
    readChunk(chunk, operation, state)
  }
  const parser = createParser({
    onEvent,
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') throw malformed('The upstream sent an event without end.', error)
    },
    maxBufferSize: maxEventLength,
  })
  // Asked for a stream, some answer a failure as plain JSON with status 200.
  let plain: string | undefined
  let first = true
  return {
    push(bytes) {
      const text = decoder.write(bytes)
      if (first && text.trimStart() !== '') {
        first = false
        if (text.trimStart().startsWith('{')) plain = ''
      }
      if (plain === undefined) parser.feed(text)
      else plain += text
    },
    end() {
      if (plain !== undefined) throwIfFailure(parseUpstreamObject(plain), secrets)
      // The last event need not be closed by an empty line when the stream ends with it.
      else parser.feed(`${decoder.end()}\n\n`)
      if (state.progress === 0) throw malformed('The upstream answered a request for a stream with none.')
      if (!state.hasAll) throw interrupted()
    },
    get progress() {
      return state.progress
    },
    get state() {
      return state.state
    },
  }
}

function wholeOutcome(
  result: JsonObject,
  request: Readonly<JsonObject>,
  secrets: readonly string[],
): CompletionOutcome {
  throwIfFailure(result, secrets)
  const { choices } = result
  if (!Array.isArray(choices) || !isObject(choices[0])) throw malformed('The upstream sent an answer without choices.')
  const finishReason = choices[0]['finish_reason']
  const outputTokens = (): number => {
    const tally = createTokenTally()
    for (const choice of choices) {
      if (!isObject(choice)) continue
      // As in a stream: everything that is said, not who says it.
      const { role: _, ...said } = isObject(choice['message']) ? choice['message'] : { text: choice['text'] }
      tally.addDeep(said)
    }
    return tally.total()
  }
  const usage = settleUsage(parseUsage(result['usage']), request, outputTokens)
  return {
    result: withUsage(result, usage),
    ...(typeof finishReason === 'string' ? { finishReason } : {}),
    usage,
  }
}

function embeddingUsage(result: JsonObject, request: Readonly<JsonObject>): TokenUsage {
  const { completionTokens: _, ...reported } = parseUsage(result['usage']) ?? {}
  return settleUsage({ ...reported, completionTokens: 0 }, request, () => 0)
}

/** Inputs of an embeddings request: a text or a list of tokens is one. */
function inputsAsked(request: Readonly<JsonObject>): number {
  const { input } = request
  return Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1
}

function throwIfFailure(result: JsonObject, secrets: readonly string[]): void {
  if (isFailure(result)) throw toError(parseFailure(result), { secrets })
}
