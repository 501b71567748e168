import { vectorBase64, vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { invalidField } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { answerEmbeddings } from './embedding-call.ts'
import { type Fields, inlineScript, requiredText, userOf, wholeNumber } from './fields.ts'
import type { OpenAiDialect } from './openai.ts'
import { parseInputs } from './openai-request.ts'

/** `POST /v1/embeddings`. */
export function answerOpenAiEmbeddings(engine: Engine, exchange: Exchange, body: Fields, dialect: OpenAiDialect): void {
  const model = requiredText(body, 'model')
  const texts = parseInputs(body['input'], 'input')
  const format = body['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64') throw invalidField('encoding_format', "it must be 'float' or 'base64'")
  const asked = wholeNumber(body, 'dimensions', 1, 16_384)
  const inline = inlineScript(body['sim'])
  answerEmbeddings(engine, {
    exchange,
    wire: dialect.name,
    model,
    inline,
    texts,
    user: userOf(body),
    dimensions: asked,
    refuse: dialect.refuse,
    whole: (vectors, tokens) => {
      const data = vectors.map((vector, index) => {
        const value = format === 'float' ? vectorJson(vector) : `"${vectorBase64(vector)}"`
        return `{"object":"embedding","index":${index},"embedding":${value}}`
      })
      const usage = { prompt_tokens: tokens, total_tokens: tokens }
      const tail = tokens === undefined ? '' : `,"usage":${JSON.stringify(usage)}`
      return `{"object":"list","data":[${data.join(',')}],"model":${JSON.stringify(model)}${tail}}`
    },
  })
}
