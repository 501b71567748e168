import { vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { countPrompt, planBlocked, planText } from '../plan.ts'
import { answerEmbeddings } from './embedding-call.ts'
import { allow, decodeName, type Fields, inlineScript, parseBody } from './fields.ts'
import { refuseGemini } from './gemini-errors.ts'
import { type GeminiEmbedding, parseGeminiEmbedding, parseGeminiRequest } from './gemini-request.ts'
import { GeminiEncoder, type GeminiForm } from './gemini-stream.ts'
import { jsonType } from './openai-common.ts'
import { headerText, requireKey, type Wire } from './wire.ts'

const mostBatchItems = 100

/** Google's Gemini API, under `/v1beta`. */
export const geminiWire: Wire = {
  serves: ({ path }) => path.startsWith('/v1beta/'),
  authenticate: ({ headers, query }, apiKey) => {
    const missing = new RequestError(
      403,
      "Method doesn't allow unregistered callers (callers without established identity). " +
        'Please use API Key or other form of API consumer identity to call this API.',
    )
    requireKey(headerText(headers, 'x-goog-api-key') ?? query.get('key') ?? undefined, apiKey, missing)
  },
  answer: (engine, exchange, { method, path, query }) => {
    const [, encoded, verb = ''] = /^\/v1beta\/(?:models|tunedModels)\/(.+):(\w+)$/.exec(path) ?? []
    const call = Object.hasOwn(calls, verb) ? calls[verb] : undefined
    if (encoded !== undefined && call !== undefined) {
      allow(method, 'POST')
      call(engine, exchange, decodeName(encoded), parseBody(exchange.bodyText), query)
    } else if (encoded === undefined && /^\/v1beta\/models(\/|$)/.test(path)) {
      allow(method, 'GET')
      exchange.send(200, jsonType, JSON.stringify(listModels(engine, path)))
    } else {
      throw new RequestError(404, `Not found: ${method} ${path}.`)
    }
  },
  refuse: refuseGemini,
}

type Answer = (engine: Engine, exchange: Exchange, model: string, body: Fields, query: URLSearchParams) => void

const calls: Readonly<Record<string, Answer>> = {
  generateContent: (engine, exchange, model, body) => answerText(engine, exchange, model, body, 'whole'),
  streamGenerateContent: (engine, exchange, model, body, query) =>
    answerText(engine, exchange, model, body, query.get('alt') === 'sse' ? 'events' : 'array'),
  countTokens: (_engine, exchange, model, body) => {
    const { text } = parseGeminiRequest(model, body)
    exchange.send(200, jsonType, JSON.stringify({ totalTokens: countPrompt(text) }))
  },
  embedContent: (engine, exchange, model, body) =>
    answerEmbed(engine, exchange, model, body, [parseGeminiEmbedding(body)], ([vector = '[]'], usage) => {
      return `{"embedding":{"values":${vector}}${usage}}`
    }),
  batchEmbedContents: (engine, exchange, model, body) => {
    const { requests } = body as { requests?: unknown }
    if (!Array.isArray(requests) || requests.length === 0) {
      throw new RequestError(400, '* BatchEmbedContentsRequest.requests: at least one request is required')
    }
    const texts = requests.map(parseGeminiEmbedding)
    answerEmbed(engine, exchange, model, body, texts, (vectors, usage) => {
      return `{"embeddings":[${vectors.map((vector) => `{"values":${vector}}`).join(',')}]${usage}}`
    })
  },
}

function answerText(engine: Engine, exchange: Exchange, model: string, body: Fields, form: GeminiForm): void {
  const request = parseGeminiRequest(model, body)
  exchange.describe(model, form !== 'whole')
  engine.answer({
    exchange,
    wire: 'gemini',
    model,
    inline: request.inline,
    plan: (script) =>
      script.contentFilter === true ? planBlocked(request.text) : planText(engine.seed, request.text, script),
    encode: (plan, script) => new GeminiEncoder(form, request, plan, script, engine.nextSequence()),
    refuse: refuseGemini,
    answersBlocked: true,
    maxTokens: request.text.maxTokens,
  })
}

function answerEmbed(
  engine: Engine,
  exchange: Exchange,
  model: string,
  body: Fields,
  items: readonly GeminiEmbedding[],
  write: (vectors: readonly string[], usage: string) => string,
): void {
  answerEmbeddings(engine, {
    exchange,
    wire: 'gemini',
    model,
    inline: inlineScript(body['sim']),
    texts: items.map(({ text }) => text),
    dimensions: items[0]?.dimensions,
    maxItems: mostBatchItems,
    refuse: refuseGemini,
    whole: (vectors, tokens) => {
      const usage = tokens === undefined ? '' : `,"usageMetadata":${JSON.stringify({ promptTokenCount: tokens })}`
      return write(vectors.map(vectorJson), usage)
    },
  })
}

function listModels(engine: Engine, path: string): unknown {
  const describe = (name: string) => ({
    name: `models/${name}`,
    displayName: name,
    inputTokenLimit: engine.models.scriptOf(name).contextTokens ?? 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: /embed/i.test(name)
      ? ['embedContent', 'batchEmbedContents']
      : ['generateContent', 'streamGenerateContent', 'countTokens'],
  })
  const name = path.slice('/v1beta/models/'.length)
  if (name === '') return { models: engine.models.names().map(describe) }
  return describe(engine.models.resolve(decodeName(name)).name)
}
