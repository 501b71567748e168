import { embeddingCostMs } from '../embeddings.ts'
import { RequestError } from '../errors.ts'
import type { Plan } from '../plan.ts'
import type { Script } from '../script.ts'
import { countTokens } from '../tokens.ts'

export const defaultDimensions = 384

const mostItems = 2_048
const mostTokens = 300_000

/** What both wires do with texts to embed: limits, the bad item, and a plan without any step. */
export function planEmbeddings(texts: readonly string[], script: Script): Plan {
  const { maxItems = mostItems, maxTokens = mostTokens, rejectContaining } = script.embedding ?? {}
  if (texts.length > maxItems) {
    throw new RequestError(400, `Invalid 'input': a maximum of ${maxItems} items is allowed, got ${texts.length}.`, {
      param: 'input',
    })
  }
  if (rejectContaining !== undefined && texts.some((text) => text.includes(rejectContaining))) {
    throw new RequestError(400, "Invalid 'input': an item cannot be embedded.", { param: 'input' })
  }
  let promptTokens = 0
  for (const text of texts) promptTokens += Math.max(1, countTokens(text.length))
  if (promptTokens > maxTokens) {
    throw new RequestError(400, `Requested ${promptTokens} tokens, max ${maxTokens} tokens per request.`, {
      code: 'max_tokens_per_request',
      param: 'input',
    })
  }
  return { choices: [], steps: 0, promptTokens, completionTokens: 0, reasoningTokens: 0 }
}

export function embeddingDelay(texts: readonly string[]): (plan: Plan, script: Script) => number {
  return (plan, script) => (script.ttftMs ?? 0) + embeddingCostMs(plan.promptTokens, texts.length, script.embedding)
}
