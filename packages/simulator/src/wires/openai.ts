import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { planText } from '../plan.ts'
import { decodeName, parseBody } from './fields.ts'
import { ChatEncoder } from './openai-chat.ts'
import { jsonType, refuseOpenAi } from './openai-common.ts'
import { CompletionsEncoder, planCompletions } from './openai-completions.ts'
import { answerOpenAiEmbeddings } from './openai-embeddings.ts'
import { parseChatRequest, parseCompletionsRequest } from './openai-request.ts'

/** Everything under `/v1`, as OpenAI and vLLM serve it. Throws a RequestError. */
export function answerOpenAi(engine: Engine, exchange: Exchange, method: string): void {
  const { path } = exchange
  if (path === '/v1/models' || path.startsWith('/v1/models/')) {
    allow(method, 'GET')
    exchange.send(200, jsonType, JSON.stringify(listModels(engine, path)))
    return
  }
  const answer = routes[path]
  if (answer === undefined) throw new RequestError(404, `Unknown request URL: ${method} ${path}.`)
  allow(method, 'POST')
  answer(engine, exchange)
}

/** Throws a RequestError with 405 for any other method. */
export function allow(method: string, ...allowed: readonly string[]): void {
  if (!allowed.includes(method)) throw new RequestError(405, `Not allowed: ${method}; use ${allowed.join(' or ')}.`)
}

const routes: Readonly<Record<string, (engine: Engine, exchange: Exchange) => void>> = {
  '/v1/chat/completions': (engine, exchange) => {
    const request = parseChatRequest(parseBody(exchange.bodyText))
    exchange.describe(request.model, request.stream)
    engine.answer({
      exchange,
      model: request.model,
      inline: request.inline,
      plan: (script) => planText(engine.seed, request.text, script),
      encode: (plan, script) => new ChatEncoder(request, plan, script, engine.nextSequence()),
      refuse: refuseOpenAi,
      maxTokens: request.text.maxTokens,
    })
  },
  '/v1/completions': (engine, exchange) => {
    const request = parseCompletionsRequest(parseBody(exchange.bodyText))
    exchange.describe(request.model, request.stream)
    engine.answer({
      exchange,
      model: request.model,
      inline: request.inline,
      plan: (script) => planCompletions(engine.seed, request, script),
      encode: (plan, script) => new CompletionsEncoder(request, plan, script, engine.nextSequence()),
      refuse: refuseOpenAi,
      maxTokens: request.texts[0]?.maxTokens,
    })
  },
  '/v1/embeddings': (engine, exchange) => {
    answerOpenAiEmbeddings(engine, exchange, parseBody(exchange.bodyText))
  },
}

function listModels(engine: Engine, path: string): unknown {
  const describe = (id: string) => ({
    id,
    object: 'model',
    created: 1_700_000_000,
    owned_by: 'simulated',
    max_model_len: engine.models.scriptOf(id).contextTokens ?? 131_072,
  })
  if (path === '/v1/models') return { object: 'list', data: engine.models.names().map(describe) }
  return describe(engine.models.resolve(decodeName(path.slice('/v1/models/'.length))).name)
}
