import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { planBlocked, planText } from '../plan.ts'
import { answerBedrockEmbedding } from './bedrock-embeddings.ts'
import { refuseBedrock } from './bedrock-errors.ts'
import { parseBedrockRequest } from './bedrock-request.ts'
import { BedrockEncoder } from './bedrock-stream.ts'
import { allow, decodeName, type Fields, parseBody } from './fields.ts'
import { acceptKey, bearerToken, type Incoming, type Wire } from './wire.ts'

/** Amazon Bedrock's runtime, under `/model`. */
export const bedrockWire: Wire = {
  serves: ({ path }) => path.startsWith('/model/'),
  authenticate: (incoming, apiKey) => {
    const key = bearerToken(incoming.headers) ?? signingKeyId(incoming)
    if (key === undefined)
      throw new RequestError(403, 'Missing Authentication Token', { code: 'missing_authentication' })
    acceptKey(key, apiKey)
  },
  answer: (engine, exchange, { method, path }) => {
    const [, encoded, verb = ''] = /^\/model\/([^/]+)\/([\w-]+)$/.exec(path) ?? []
    const call = Object.hasOwn(calls, verb) ? calls[verb] : undefined
    if (encoded === undefined || call === undefined) throw new RequestError(404, `Not found: ${method} ${path}.`)
    allow(method, 'POST')
    call(engine, exchange, decodeName(encoded), parseBody(exchange.bodyText))
  },
  refuse: refuseBedrock,
}

type Answer = (engine: Engine, exchange: Exchange, model: string, body: Fields) => void

const calls: Readonly<Record<string, Answer>> = {
  converse: (engine, exchange, model, body) => converse(engine, exchange, model, body, false),
  'converse-stream': (engine, exchange, model, body) => converse(engine, exchange, model, body, true),
  invoke: answerBedrockEmbedding,
}

function converse(engine: Engine, exchange: Exchange, model: string, body: Fields, stream: boolean): void {
  const { inline, text } = parseBedrockRequest(model, body)
  exchange.describe(model, stream)
  engine.answer({
    exchange,
    wire: 'bedrock',
    model,
    inline,
    plan: (script) => (script.contentFilter === true ? planBlocked(text) : planText(engine.seed, text, script)),
    encode: (plan, script) => new BedrockEncoder(stream, plan, script, engine.nextSequence()),
    refuse: refuseBedrock,
    answersBlocked: true,
    maxTokens: text.maxTokens,
  })
}

/**
 * The access key a request is signed with, where it has the form of Signature Version 4 for Bedrock. The signature
 * itself is not verified: that takes the secret.
 */
function signingKeyId({ headers }: Incoming): string | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/,\s]+)\/\d{8}\/[\w-]+\/bedrock\/aws4_request, *SignedHeaders=[\w;-]+, *Signature=[0-9a-f]{64}$/
  const [, key] = form.exec(headers.authorization ?? '') ?? []
  return headers['x-amz-date'] === undefined ? undefined : key
}
