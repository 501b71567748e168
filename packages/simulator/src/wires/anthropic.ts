import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { countPrompt, planText } from '../plan.ts'
import { refuseAnthropic } from './anthropic-errors.ts'
import { parseAnthropicPrompt, parseAnthropicRequest } from './anthropic-request.ts'
import { AnthropicEncoder } from './anthropic-stream.ts'
import { allow, decodeName, parseBody } from './fields.ts'
import { jsonType } from './openai-common.ts'
import { bearerToken, headerText, type Incoming, requireKey, type Wire } from './wire.ts'

/** Anthropic's Messages API, under `/v1` and `/anthropic/v1`. */
export const anthropicWire: Wire = {
  serves: ({ path, headers }) =>
    path.startsWith('/anthropic/v1/') ||
    path.startsWith('/v1/messages') ||
    (headers['anthropic-version'] !== undefined && /^\/v1\/models(\/|$)/.test(path)),
  authenticate: ({ headers }, apiKey) => {
    const key = headerText(headers, 'x-api-key') ?? bearerToken(headers)
    requireKey(key, apiKey, new RequestError(401, 'x-api-key header is required'))
    if (headerText(headers, 'anthropic-version') === undefined) {
      throw new RequestError(400, 'anthropic-version: header is required')
    }
  },
  answer: (engine, exchange, incoming) => {
    const within = incoming.path.replace(/^(\/anthropic)?\/v1\//, '')
    if (within === 'messages') answerMessages(engine, exchange, incoming)
    else if (within === 'messages/count_tokens') countTokens(exchange, incoming)
    else if (within === 'models' || within.startsWith('models/'))
      answerModels(engine, exchange, incoming.method, within)
    else throw new RequestError(404, 'Not found', { code: 'not_found' })
  },
  refuse: refuseAnthropic,
}

function answerMessages(engine: Engine, exchange: Exchange, { method }: Incoming): void {
  allow(method, 'POST')
  const request = parseAnthropicRequest(parseBody(exchange.bodyText))
  exchange.describe(request.model, request.stream)
  engine.answer({
    exchange,
    wire: 'anthropic',
    model: request.model,
    inline: request.inline,
    plan: (script) => planText(engine.seed, request.text, script),
    encode: (plan, script) => new AnthropicEncoder(request, plan, script, engine.nextSequence()),
    refuse: refuseAnthropic,
    maxTokens: request.text.maxTokens,
  })
}

function countTokens(exchange: Exchange, { method }: Incoming): void {
  allow(method, 'POST')
  const tokens = countPrompt(parseAnthropicPrompt(parseBody(exchange.bodyText)))
  exchange.send(200, jsonType, JSON.stringify({ input_tokens: tokens }))
}

function answerModels(engine: Engine, exchange: Exchange, method: string, within: string): void {
  allow(method, 'GET')
  const describe = (id: string) => ({
    type: 'model',
    id,
    display_name: id,
    created_at: '2026-01-01T00:00:00Z',
  })
  if (within !== 'models') {
    const { name } = engine.models.resolve(decodeName(within.slice('models/'.length)))
    exchange.send(200, jsonType, JSON.stringify(describe(name)))
    return
  }
  const data = engine.models.names().map(describe)
  const page = { data, has_more: false, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null }
  exchange.send(200, jsonType, JSON.stringify(page))
}
