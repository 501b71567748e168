import { randomUUID } from 'node:crypto'
import type { TokenUsage } from '@inferq/contracts'
import { createCollector } from './collector.ts'
import { CompletionState } from './completion-state.ts'
import { givenText, messagesForRest, requestForRest } from './continuation.ts'
import { secretsOf } from './credentials.ts'
import { embeddingList } from './embedding-list.ts'
import { type AnswerReader, interrupted } from './exchange.ts'
import { isFailure, parseFailure, toError } from './failure.ts'
import { createHttpClient } from './http-client.ts'
import { isObject, isVoid, type JsonObject, malformed, parseUpstreamObject } from './json.ts'
import { createLineSplitter } from './json-lines.ts'
import { ollamaChatBody, ollamaEmbedBody, ollamaGenerateBody } from './ollama-request.ts'
import type {
  CompletionOutcome,
  CompletionSink,
  EmbeddingOutcome,
  Provider,
  ProviderCall,
  ProviderDependencies,
  Upstream,
} from './port.ts'
import { probe } from './probe.ts'
import { count, createTokenTally, type ReportedUsage, settleUsage } from './usage.ts'

const maxLineLength = 32 * 1024 * 1024

/** Calls of Ollama's own API: `/api/chat`, `/api/generate`, `/api/embed`. */
export function createOllamaProvider(upstream: Upstream, dependencies: ProviderDependencies): Provider {
  const http = createHttpClient(upstream, dependencies)
  const secrets = secretsOf(upstream)
  const base = ollamaBasePath(upstream.baseUrl)

  async function complete(
    operation: 'chat' | 'text',
    call: ProviderCall,
    sink: CompletionSink,
  ): Promise<CompletionOutcome> {
    const model = call.model ?? upstream.model
    const given = givenText(call, operation, true)
    const target = { ...upstream, model }
    const asked = given === undefined ? call.request : continuedRequest(target, call.request, given)
    const body = (operation === 'chat' ? ollamaChatBody : ollamaGenerateBody)(target, asked, call.stream)
    const request = {
      path: base + (operation === 'chat' ? '/api/chat' : '/api/generate'),
      body: JSON.stringify(body),
      requestId: call.requestId,
      signal: call.signal,
    }
    const tally = createTokenTally()
    if (call.stream) {
      const state = new CompletionState(sink, tally, 1)
      await http.stream(request, createLinesReader(state, secrets))
      return outcome(state, settleUsage(state.usage, call.request, tally.total))
    }
    const collector = createCollector(operation, { maxOutputBytes: Number.POSITIVE_INFINITY })
    const state = new CompletionState(collector, tally, 1)
    const answer = parseUpstreamObject(await http.whole(request, 'answer'))
    createAnswerReader(state, secrets)(answer)
    if (!state.ended) throw malformed('The upstream sent an answer that is not done.')
    const usage = settleUsage(state.usage, call.request, tally.total)
    const id = `${operation === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`
    const result = collector.result({ id, created: createdAt(answer), model, usage })
    return { result, ...outcome(state, usage) }
  }

  async function embed(call: Omit<ProviderCall, 'stream'>): Promise<EmbeddingOutcome> {
    const model = call.model ?? upstream.model
    const body = ollamaEmbedBody({ ...upstream, model }, call.request)
    const answer = parseUpstreamObject(
      await http.whole({
        path: `${base}/api/embed`,
        body: JSON.stringify(body),
        requestId: call.requestId,
        signal: call.signal,
      }),
    )
    throwIfFailure(answer, secrets)
    const { embeddings } = answer
    const asked = Array.isArray(body['input']) ? body['input'].length : 1
    if (!Array.isArray(embeddings) || embeddings.length !== asked || !embeddings.every(Array.isArray)) {
      throw malformed('The upstream did not send one embedding for each input.')
    }
    const usage = settleUsage({ ...promptCount(answer), completionTokens: 0 }, call.request, () => 0)
    return { result: embeddingList(model, embeddings, call.request['encoding_format'], usage), usage }
  }

  const chat: Provider['chat'] = (call, sink) => complete('chat', call, sink)
  return {
    continuesPrefix: true,
    chat,
    text: (call, sink) => complete('text', call, sink),
    embed,
    probe: (options) => probe({ chat, embed }, options, 1),
    close: http.close,
  }
}

/** Ollama goes on after a last message of the assistant's, whoever wrote it. */
function continuedRequest(upstream: Upstream, request: Readonly<JsonObject>, given: string): JsonObject {
  const rest = requestForRest(request, upstream.defaults ?? {}, given)
  return { ...rest, messages: messagesForRest(rest['messages'], given, () => true, {}) }
}

/** The path below which `/api/…` is found; what belongs to its OpenAI endpoint is cut off. */
export function ollamaBasePath(baseUrl: string): string {
  return new URL(baseUrl).pathname.replace(/\/+$/, '').replace(/\/(v1|api)$/, '')
}

function outcome(state: CompletionState, usage: TokenUsage): CompletionOutcome {
  return { ...(state.finishReason === undefined ? {} : { finishReason: state.finishReason }), usage }
}

/** Reads a stream of Ollama's lines into the state. */
export function createLinesReader(state: CompletionState, secrets: readonly string[]): AnswerReader {
  const readAnswer = createAnswerReader(state, secrets)
  const splitter = createLineSplitter((line) => readAnswer(parseUpstreamObject(line)), maxLineLength)
  return {
    push: splitter.push,
    end() {
      splitter.end()
      if (!state.ended) throw interrupted()
    },
    get progress() {
      return state.progress
    },
    get state() {
      return state.state
    },
  }
}

/** Reads one object of an answer, a part of a stream or the whole: they have the same form. */
function createAnswerReader(state: CompletionState, secrets: readonly string[]): (answer: JsonObject) => void {
  let toolCalls = 0
  return (answer) => {
    if (state.ended) return
    state.progress += 1
    throwIfFailure(answer, secrets)
    // `/api/generate` has the fields of a message at the top, its content as `response`.
    const message = isObject(answer['message']) ? answer['message'] : answer
    const { thinking, tool_calls: calls } = message
    const content = message === answer ? answer['response'] : message['content']
    if (typeof thinking === 'string' && thinking !== '') {
      state.delta({ index: 0, delta: { reasoning_content: thinking } })
    }
    if (!isVoid(answer['logprobs'])) {
      state.delta({ index: 0, delta: { content: content ?? '' }, logprobs: { content: answer['logprobs'] } })
    } else if (typeof content === 'string' && content !== '') {
      state.flush()
      state.text(content)
    }
    if (Array.isArray(calls) && calls.length > 0) {
      const converted = calls.map((call, place) => toOpenAIToolCall(call, toolCalls + place))
      toolCalls += calls.length
      state.delta({ index: 0, delta: { tool_calls: converted } })
    }
    if (answer['done'] === true) {
      const reason = finishReason(answer['done_reason'], toolCalls > 0)
      state.finish(0, reason)
      state.delta({ index: 0, finish_reason: reason })
      state.usage = usageOf(answer)
      state.ended = true
    }
    state.flush()
  }
}

function toOpenAIToolCall(call: unknown, index: number): JsonObject {
  const called = isObject(call) ? call['function'] : undefined
  if (!isObject(call) || !isObject(called) || typeof called['name'] !== 'string') {
    throw malformed('The upstream sent a call of a tool without a name.')
  }
  const given = called['arguments']
  return {
    index,
    id: typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : `call_${randomUUID()}`,
    type: 'function',
    // An object; a text where a server could not parse what its model wrote.
    function: { name: called['name'], arguments: typeof given === 'string' ? given : JSON.stringify(given ?? {}) },
  }
}

/** Ollama says `stop` for a call of a tool as well, and `load` or `unload` for a prompt of nothing. */
function finishReason(reason: unknown, calledTools: boolean): string {
  if (reason === 'length') return 'length'
  return calledTools ? 'tool_calls' : 'stop'
}

function usageOf(answer: JsonObject): ReportedUsage {
  const completionTokens = count(answer['eval_count'])
  return { ...promptCount(answer), ...(completionTokens === undefined ? {} : { completionTokens }) }
}

/** Left out by versions that found the whole prompt in their cache. */
function promptCount(answer: JsonObject): Pick<ReportedUsage, 'promptTokens'> {
  const promptTokens = count(answer['prompt_eval_count'])
  return promptTokens === undefined ? {} : { promptTokens }
}

function createdAt(answer: JsonObject): number {
  const at = typeof answer['created_at'] === 'string' ? Date.parse(answer['created_at']) : Number.NaN
  return Math.floor((Number.isNaN(at) ? Date.now() : at) / 1_000)
}

function throwIfFailure(answer: JsonObject, secrets: readonly string[]): void {
  if (isFailure(answer)) throw toError(parseFailure(answer), { secrets })
}
