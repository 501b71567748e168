import { StringDecoder } from 'node:string_decoder'
import type { TokenUsage } from '@inferq/contracts'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { CompletionState } from './completion-state.ts'
import { type AnswerReader, interrupted } from './exchange.ts'
import { isFailure, parseFailure, toError } from './failure.ts'
import { createHttpClient, secretsOf } from './http-client.ts'
import { isObject, type JsonObject, malformed, parseUpstreamObject } from './json.ts'
import { readChunk } from './openai-chunk.ts'
import { choicesAsked, openAIBody } from './openai-request.ts'
import type {
  CompletionOutcome,
  CompletionSink,
  Provider,
  ProviderCall,
  ProviderDependencies,
  Upstream,
} from './port.ts'
import { createTokenTally, parseUsage, settleUsage } from './usage.ts'

// One event may hold an image; no honest one is longer. In UTF-16 units.
const maxEventLength = 32 * 1024 * 1024

/** Calls of OpenAI, of vLLM and of everything else that speaks OpenAI's wire. */
export function createOpenAIProvider(upstream: Upstream, dependencies: ProviderDependencies): Provider {
  const http = createHttpClient(upstream, dependencies)
  const secrets = secretsOf(upstream)
  const base = openAIBasePath(upstream)
  const headerId = upstream.provider === 'vllm' ? uniqueRequestId : (id: string) => id

  async function complete(
    operation: 'chat' | 'text',
    call: ProviderCall,
    sink: CompletionSink,
  ): Promise<CompletionOutcome> {
    const request = {
      path: base + (operation === 'chat' ? '/chat/completions' : '/completions'),
      body: JSON.stringify(openAIBody(upstream, call.request, call.stream)),
      requestId: headerId(call.requestId),
      signal: call.signal,
    }
    if (!call.stream) return wholeOutcome(parseUpstreamObject(await http.whole(request)), call.request, secrets)
    const tally = createTokenTally()
    const state = new CompletionState(sink, tally, choicesAsked(call.request))
    await http.stream(request, createEventReader(operation, state, secrets))
    return {
      ...(state.finishReason === undefined ? {} : { finishReason: state.finishReason }),
      usage: settleUsage(state.usage, call.request, tally.total),
    }
  }

  return {
    chat: (call, sink) => complete('chat', call, sink),
    text: (call, sink) => complete('text', call, sink),
    async embed(call) {
      const answer = await http.whole({
        path: `${base}/embeddings`,
        body: JSON.stringify(openAIBody(upstream, call.request, undefined)),
        requestId: headerId(call.requestId),
        signal: call.signal,
      })
      const result = parseUpstreamObject(answer)
      throwIfFailure(result, secrets)
      if (!Array.isArray(result['data']) || result['data'].length !== inputsAsked(call.request)) {
        throw malformed('The upstream did not send one embedding for each input.')
      }
      return { result, usage: embeddingUsage(result, call.request) }
    },
    close: http.close,
  }
}

/** The path of the API below the origin: `/v1` unless the base URL names another. */
export function openAIBasePath(upstream: Pick<Upstream, 'provider' | 'baseUrl'>): string {
  const path = new URL(upstream.baseUrl).pathname.replace(/\/+$/, '')
  if (path === '') return '/v1'
  // vLLM behind a prefix: its API is always below /v1.
  return upstream.provider === 'vllm' && !path.endsWith('/v1') ? `${path}/v1` : path
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
    for (const choice of choices) if (isObject(choice)) tally.addDeep(choice['message'] ?? choice['text'])
    return tally.total()
  }
  return {
    result,
    ...(typeof finishReason === 'string' ? { finishReason } : {}),
    usage: settleUsage(parseUsage(result['usage']), request, outputTokens),
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
