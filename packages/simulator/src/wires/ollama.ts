import { embedText, vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { invalidField, RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { canonicalName } from '../models.ts'
import { type Plan, planText } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import { defaultDimensions, embeddingDelay, neverStreams, planEmbeddings } from './embedding-call.ts'
import { allow, type Fields, flag, parseBody, requiredText, userOf, wholeNumber } from './fields.ts'
import { OllamaEncoder, refuseOllama } from './ollama-encoder.ts'
import { describeLoaded, describeModels, showModel } from './ollama-models.ts'
import { parseOllamaChat, parseOllamaGenerate, parseOllamaOptions } from './ollama-request.ts'
import { jsonType } from './openai-common.ts'
import { acceptKey, bearerToken, headerText, type Incoming, type Wire } from './wire.ts'

type Answer = (engine: Engine, exchange: Exchange) => void

/** Everything under `/api`, as Ollama serves it. */
export const ollamaWire: Wire = {
  serves: ({ path }) => path.startsWith('/api/'),
  authenticate: ({ headers }, apiKey) => acceptKey(bearerToken(headers) ?? headerText(headers, 'x-api-key'), apiKey),
  answer: answerOllama,
  refuse: refuseOllama,
}

function answerOllama(engine: Engine, exchange: Exchange, { method, path }: Incoming): void {
  const read = reads[path]
  const call = calls[path]
  if (read !== undefined) {
    allow(method, 'GET', 'HEAD')
    exchange.send(200, jsonType, JSON.stringify(read(engine)))
  } else if (call !== undefined) {
    allow(method, 'POST')
    call(engine, exchange)
  } else {
    throw new RequestError(404, '404 page not found')
  }
}

const reads: Readonly<Record<string, (engine: Engine) => unknown>> = {
  '/api/version': () => ({ version: '0.12.0' }),
  '/api/tags': (engine) => ({ models: describeModels(engine) }),
  '/api/ps': (engine) => ({ models: describeLoaded(engine) }),
}

const calls: Readonly<Record<string, Answer>> = {
  '/api/chat': (engine, exchange) => answerText(engine, exchange, 'chat', parseBody(exchange.bodyText)),
  '/api/generate': (engine, exchange) => answerText(engine, exchange, 'generate', parseBody(exchange.bodyText)),
  '/api/embed': answerEmbed,
  '/api/show': (engine, exchange) => {
    const name = requiredText(parseBody(exchange.bodyText), 'model')
    exchange.send(200, jsonType, JSON.stringify(showModel(engine, name)))
  },
}

function answerText(engine: Engine, exchange: Exchange, kind: 'chat' | 'generate', body: Fields): void {
  const request = kind === 'chat' ? parseOllamaChat(body) : parseOllamaGenerate(body)
  const { text } = request
  exchange.describe(request.model, text !== undefined && request.stream, { user: userOf(body), hasUsage: true })
  const onlyLoads = text === undefined
  if (onlyLoads && request.keepAliveMs === 0) engine.residency.unload(canonicalName(request.model))
  const load = { options: request.loadOptions, keepAliveMs: request.keepAliveMs }
  engine.answer({
    exchange,
    wire: 'ollama',
    model: request.model,
    inline: request.inline,
    plan: (script) => (onlyLoads ? emptyPlan(request.keepAliveMs) : planText(engine.seed, text, script)),
    encode: (plan, script) =>
      new OllamaEncoder(kind, { model: request.model, stream: request.stream && !onlyLoads }, plan, script),
    refuse: refuseOllama,
    ...(onlyLoads ? { costMs: () => 0 } : { maxTokens: text.maxTokens }),
    ...(onlyLoads && request.keepAliveMs === 0 ? {} : { load }),
  })
}

function emptyPlan(keepAliveMs: number): Plan {
  const choice = { pieces: [], calls: [], finishReason: keepAliveMs === 0 ? 'unload' : 'load' }
  return { choices: [choice], steps: 0, promptTokens: 0, completionTokens: 0, reasoningTokens: 0 }
}

function answerEmbed(engine: Engine, exchange: Exchange): void {
  const body = parseBody(exchange.bodyText)
  const { model, inline, loadOptions, keepAliveMs } = parseOllamaOptions(body)
  const input = body['input'] ?? []
  const texts: unknown[] = Array.isArray(input) ? input : [input]
  if (!texts.every((one) => typeof one === 'string'))
    throw invalidField('input', 'it must be a string or a list of them')
  flag(body, 'truncate', true)
  const asked = wholeNumber(body, 'dimensions', 1, 16_384)
  exchange.describe(model, false, { user: userOf(body), hasUsage: true })
  engine.answer({
    exchange,
    wire: 'ollama',
    model,
    embeddingItems: texts.length,
    inline,
    plan: (script) => planEmbeddings(texts, script),
    encode: (plan, script): Encoder => ({
      stream: false,
      contentType: jsonType,
      headFirst: false,
      whole: (timing) => {
        const dimensions = asked ?? script.embedding?.dimensions ?? defaultDimensions
        const vectors = texts.map((text) => vectorJson(embedText(text, dimensions)))
        const count = script.usage?.['prompt_tokens'] ?? plan.promptTokens
        return (
          `{"model":${JSON.stringify(model)},"embeddings":[${vectors.join(',')}],` +
          `"total_duration":${Math.round(timing.totalMs * 1e6)},"load_duration":${Math.round(timing.loadMs * 1e6)}` +
          `${script.noUsage === true ? '' : `,"prompt_eval_count":${JSON.stringify(count)}`}}`
        )
      },
      ...neverStreams,
    }),
    refuse: refuseOllama,
    costMs: embeddingDelay(texts),
    load: { options: loadOptions, keepAliveMs },
  })
}
