import { embedText, vectorBase64, vectorJson } from '../embeddings.ts'
import type { Engine } from '../engine.ts'
import { invalidField } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Plan } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import type { Script } from '../script.ts'
import { defaultDimensions, embeddingDelay, planEmbeddings } from './embedding-call.ts'
import { type Fields, inlineScript, requiredText, wholeNumber } from './fields.ts'
import { jsonType, refuseOpenAi } from './openai-common.ts'
import { parseInputs } from './openai-request.ts'

/** `POST /v1/embeddings`. */
export function answerOpenAiEmbeddings(engine: Engine, exchange: Exchange, body: Fields): void {
  const model = requiredText(body, 'model')
  const texts = parseInputs(body['input'], 'input')
  const format = body['encoding_format'] ?? 'float'
  if (format !== 'float' && format !== 'base64') throw invalidField('encoding_format', "it must be 'float' or 'base64'")
  const asked = wholeNumber(body, 'dimensions', 1, 16_384)
  const inline = inlineScript(body['sim'])
  exchange.describe(model, false)
  const counters = engine.models.resolve(model).counters
  counters.embeddingCalls += 1
  counters.embeddingItems += texts.length
  engine.answer({
    exchange,
    model,
    inline,
    plan: (script) => planEmbeddings(texts, script),
    encode: (plan, script) => embeddingsEncoder(model, texts, asked, format, plan, script),
    refuse: refuseOpenAi,
    costMs: embeddingDelay(texts),
  })
}

function embeddingsEncoder(
  model: string,
  texts: readonly string[],
  asked: number | undefined,
  format: 'float' | 'base64',
  plan: Plan,
  script: Script,
): Encoder {
  const dimensions = asked ?? script.embedding?.dimensions ?? defaultDimensions
  const usage = { prompt_tokens: plan.promptTokens, total_tokens: plan.promptTokens, ...script.usage }
  return {
    stream: false,
    contentType: jsonType,
    headFirst: false,
    refuse: refuseOpenAi,
    whole: () => {
      const data = texts.map((text, index) => {
        const vector = embedText(text, dimensions)
        const value = format === 'float' ? vectorJson(vector) : `"${vectorBase64(vector)}"`
        return `{"object":"embedding","index":${index},"embedding":${value}}`
      })
      const tail = script.noUsage === true ? '' : `,"usage":${JSON.stringify(usage)}`
      return `{"object":"list","data":[${data.join(',')}],"model":${JSON.stringify(model)}${tail}}`
    },
    ...neverStreams,
  }
}

/** The streaming half of an encoder for calls that never stream. */
export const neverStreams = {
  opening: () => '',
  step: () => '',
  closing: () => '',
  malformed: () => '',
  failure: () => '',
} as const
