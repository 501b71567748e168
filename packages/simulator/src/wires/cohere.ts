import { vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { invalidField, RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { planText } from '../plan.ts'
import { refuseCohere } from './cohere-errors.ts'
import { parseCohereRequest } from './cohere-request.ts'
import { CohereEncoder } from './cohere-stream.ts'
import { answerEmbeddings } from './embedding-call.ts'
import { allow, type Fields, inlineScript, parseBody, requiredText, wholeNumber } from './fields.ts'
import { bearerToken, requireKey, type Wire } from './wire.ts'

export const mostCohereTexts = 96

/** Cohere's API, version 2, under `/v2`. */
export const cohereWire: Wire = {
  serves: ({ path }) => path.startsWith('/v2/'),
  authenticate: ({ headers }, apiKey) =>
    requireKey(bearerToken(headers), apiKey, new RequestError(401, 'no api key supplied')),
  answer: (engine, exchange, { method, path }) => {
    const call = Object.hasOwn(calls, path) ? calls[path] : undefined
    if (call === undefined) throw new RequestError(404, `Not found: ${method} ${path}.`)
    allow(method, 'POST')
    call(engine, exchange, parseBody(exchange.bodyText))
  },
  refuse: refuseCohere,
}

const calls: Readonly<Record<string, (engine: Engine, exchange: Exchange, body: Fields) => void>> = {
  '/v2/chat': (engine, exchange, body) => {
    const request = parseCohereRequest(body)
    exchange.describe(request.model, request.stream)
    engine.answer({
      exchange,
      wire: 'cohere',
      model: request.model,
      inline: request.inline,
      plan: (script) => planText(engine.seed, request.text, script),
      encode: (plan, script) => new CohereEncoder(request, plan, script, engine.nextSequence()),
      refuse: refuseCohere,
      maxTokens: request.text.maxTokens,
    })
  },
  '/v2/embed': (engine, exchange, body) => {
    const model = requiredText(body, 'model')
    const items = parseCohereTexts(body)
    const types = body['embedding_types'] ?? ['float']
    if (!Array.isArray(types) || types.some((type) => type !== 'float')) {
      throw invalidField('embedding_types', "this server only has 'float'")
    }
    answerEmbeddings(engine, {
      exchange,
      wire: 'cohere',
      model,
      inline: inlineScript(body['sim']),
      texts: items,
      dimensions: wholeNumber(body, 'output_dimension', 1, 16_384),
      maxItems: mostCohereTexts,
      refuse: refuseCohere,
      whole: (vectors, tokens) => {
        const meta = {
          api_version: { version: '2' },
          ...(tokens === undefined ? {} : { billed_units: { input_tokens: tokens } }),
        }
        return (
          `{"id":"sim-${engine.nextSequence()}","embeddings":{"float":[${vectors.map(vectorJson).join(',')}]},` +
          `"texts":${JSON.stringify(items)},"response_type":"embeddings_by_type","meta":${JSON.stringify(meta)}}`
        )
      },
    })
  },
}

/** `texts` of a call for embeddings, which must say what they are for. Throws a RequestError with 400. */
export function parseCohereTexts(body: Fields): readonly string[] {
  if (typeof body['input_type'] !== 'string') {
    throw new RequestError(400, 'invalid request: valid input_type must be provided with the provided model')
  }
  const { texts } = body as { texts?: unknown }
  if (!Array.isArray(texts) || texts.length === 0 || !texts.every((text) => typeof text === 'string')) {
    throw invalidField('texts', 'it must be a list of strings with at least one item')
  }
  return texts
}
