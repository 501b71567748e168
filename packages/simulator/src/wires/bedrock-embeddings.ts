import { vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { RequestError } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { refuseBedrock } from './bedrock-errors.ts'
import { mostCohereTexts, parseCohereTexts } from './cohere.ts'
import { answerEmbeddings, type EmbeddingCall } from './embedding-call.ts'
import { type Fields, inlineScript, isFields, requiredText, wholeNumber } from './fields.ts'

type Understood = Pick<EmbeddingCall, 'texts' | 'dimensions' | 'whole'> & { readonly maxItems: number }

/** `/invoke` for embeddings, in the forms of Amazon's Titan and Nova and of Cohere; told apart by the body. */
export function answerBedrockEmbedding(engine: Engine, exchange: Exchange, model: string, body: Fields): void {
  answerEmbeddings(engine, {
    exchange,
    wire: 'bedrock',
    model,
    inline: inlineScript(body['sim']),
    refuse: refuseBedrock,
    headers: (tokens) => (tokens === undefined ? [] : ['x-amzn-bedrock-input-token-count', String(tokens)]),
    ...understand(body),
  })
}

function understand(body: Fields): Understood {
  if ('inputText' in body) return titan(body)
  if ('texts' in body) return cohere(body)
  if (body['taskType'] === 'SINGLE_EMBEDDING') return nova(body)
  throw new RequestError(400, 'Malformed input request, please reformat your input and try again.')
}

function titan(body: Fields): Understood {
  return {
    texts: [requiredText(body, 'inputText')],
    dimensions: wholeNumber(body, 'dimensions', 1, 16_384),
    maxItems: 1,
    whole: ([vector = new Float32Array()], tokens) => {
      const count = tokens === undefined ? '' : `,"inputTextTokenCount":${JSON.stringify(tokens)}`
      const values = vectorJson(vector)
      return `{"embedding":${values},"embeddingsByType":{"float":${values}}${count}}`
    },
  }
}

function cohere(body: Fields): Understood {
  const texts = parseCohereTexts(body)
  const byType = body['embedding_types'] !== undefined
  return {
    texts,
    dimensions: wholeNumber(body, 'output_dimension', 1, 16_384),
    maxItems: mostCohereTexts,
    whole: (vectors) => {
      const floats = `[${vectors.map(vectorJson).join(',')}]`
      const type = byType ? 'embeddings_by_type' : 'embeddings_floats'
      const embeddings = byType ? `{"float":${floats}}` : floats
      return `{"id":"simulated","embeddings":${embeddings},"response_type":"${type}","texts":${JSON.stringify(texts)}}`
    },
  }
}

function nova(body: Fields): Understood {
  const { singleEmbeddingParams: params } = body as { singleEmbeddingParams?: unknown }
  const text = isFields(params) ? params['text'] : undefined
  if (!isFields(params) || !isFields(text)) throw new RequestError(400, 'singleEmbeddingParams.text is required')
  return {
    texts: [requiredText(text, 'value')],
    dimensions: wholeNumber(params, 'embeddingDimension', 1, 16_384),
    maxItems: 1,
    whole: ([vector = new Float32Array()], tokens) => {
      const count = tokens === undefined ? '' : `,"inputTokenCount":${JSON.stringify(tokens)}`
      return `{"embeddings":[{"embeddingType":"TEXT","embedding":${vectorJson(vector)}}]${count}}`
    },
  }
}
