import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Caller, Exchange } from '../exchange.ts'
import { planText } from '../plan.ts'
import type { Encoder, Refuse } from '../playback.ts'
import type { WireName } from '../stats.ts'
import { allow, decodeName, type Fields, parseBody, userOf } from './fields.ts'
import { ChatEncoder } from './openai-chat.ts'
import { jsonType, refuseOpenAi } from './openai-common.ts'
import { CompletionsEncoder, planCompletions } from './openai-completions.ts'
import { answerOpenAiEmbeddings } from './openai-embeddings.ts'
import {
  type ChatRequest,
  type CompletionsRequest,
  parseChatRequest,
  parseCompletionsRequest,
} from './openai-request.ts'
import { acceptKey, bearerToken, headerText, type Wire } from './wire.ts'

/** How another vendor speaks OpenAI's wire. */
export interface OpenAiDialect {
  readonly name: WireName
  readonly refuse: Refuse
  /** What it adds to an answer. */
  readonly dress: (encoder: Encoder) => Encoder
}

const plain: OpenAiDialect = { name: 'openai', refuse: refuseOpenAi, dress: (encoder) => encoder }

/** Everything under `/v1`, as OpenAI and vLLM serve it, and under `/beta`, as DeepSeek does. */
export const openAiWire: Wire = {
  serves: ({ path }) => /^\/(v1|beta)\//.test(path),
  authenticate: ({ headers }, apiKey) => acceptKey(bearerToken(headers) ?? headerText(headers, 'x-api-key'), apiKey),
  answer: (engine, exchange, { method, path }) => {
    const within = path.replace(/^\/(beta\/v1|beta|v1)\//, '')
    if (within === 'models' || within.startsWith('models/')) {
      allow(method, 'GET')
      exchange.send(200, jsonType, JSON.stringify(listModels(engine, within)))
      return
    }
    const answer = routes[within]
    if (answer === undefined) throw new RequestError(404, `Unknown request URL: ${method} ${path}.`)
    allow(method, 'POST')
    answer(engine, exchange, parseBody(exchange.bodyText), plain)
  },
  refuse: refuseOpenAi,
}

/** Answers a call of OpenAI's wire by its path behind the base URL; undefined when there is no such path. */
export function openAiRoute(within: string): OpenAiRoute | undefined {
  return routes[within]
}

export type OpenAiRoute = (engine: Engine, exchange: Exchange, body: Fields, dialect: OpenAiDialect) => void

const routes: Readonly<Record<string, OpenAiRoute>> = {
  'chat/completions': (engine, exchange, body, { name, refuse, dress }) => {
    const request = parseChatRequest(body)
    exchange.describe(request.model, request.stream, callerOf(body, request))
    engine.answer({
      exchange,
      wire: name,
      model: request.model,
      inline: request.inline,
      plan: (script) => planText(engine.seed, request.text, script),
      encode: (plan, script) => dress(new ChatEncoder(request, plan, script, engine.nextSequence())),
      refuse,
      maxTokens: request.text.maxTokens,
    })
  },
  completions: (engine, exchange, body, { name, refuse, dress }) => {
    const request = parseCompletionsRequest(body)
    exchange.describe(request.model, request.stream, callerOf(body, request))
    engine.answer({
      exchange,
      wire: name,
      model: request.model,
      inline: request.inline,
      plan: (script) => planCompletions(engine.seed, request, script),
      encode: (plan, script) => dress(new CompletionsEncoder(request, plan, script, engine.nextSequence())),
      refuse,
      maxTokens: request.texts[0]?.maxTokens,
    })
  },
  embeddings: answerOpenAiEmbeddings,
}

function callerOf(body: Fields, { stream, includeUsage }: ChatRequest | CompletionsRequest): Caller {
  return { user: userOf(body), hasUsage: !stream || includeUsage }
}

function listModels(engine: Engine, within: string): unknown {
  const describe = (id: string) => ({
    id,
    object: 'model',
    created: 1_700_000_000,
    owned_by: 'simulated',
    max_model_len: engine.models.scriptOf(id).contextTokens ?? 131_072,
  })
  if (within === 'models') return { object: 'list', data: engine.models.names().map(describe) }
  return describe(engine.models.resolve(decodeName(within.slice('models/'.length))).name)
}
