import { breakJson, valueForSchema } from './json-answer.ts'
import type { TextRequest, Turn } from './plan.ts'
import { composeProse, composeSummary } from './prose.ts'
import type { Random } from './random.ts'
import type { Script } from './script.ts'
import { tokenize } from './tokens.ts'

export interface AnswerText {
  readonly tokens: readonly string[]
  /** The sequence that ended the text, when one did. */
  readonly stopSequence?: string
}

/** The text of an answer, or of what follows a given prefix of it. */
export function answerText(random: Random, promptTokens: number, request: TextRequest, script: Script): AnswerText {
  const { prefix, stop } = request
  const whole = planContent(random, promptTokens, request, script)
  if (prefix === '') return stopAt(whole, stop)
  const rest = stopAt(continueAfter(prefix, whole), stop)
  return script.echoPrefix === true ? { ...rest, tokens: [...tokenize(prefix), ...rest.tokens] } : rest
}

function planContent(random: Random, promptTokens: number, request: TextRequest, script: Script): string[] {
  if (script.text !== undefined) return tokenize(script.text)
  if (request.json !== undefined) {
    const { schema } = request.json
    const value = schema === undefined ? { simulated: true, answer: composeProse(random, 12).join('') } : undefined
    const json = JSON.stringify(value ?? valueForSchema(schema, random))
    return tokenize(script.brokenJson === true ? breakJson(json) : json)
  }
  const label = script.label === undefined ? [] : tokenize(script.label)
  const count = script.tokens ?? label.length + 24 + Math.floor(random() * 40) + Math.min(64, promptTokens >> 3)
  if (label.length >= count) return label.slice(0, count)
  const topic = summaryTopic(request.turns)
  const length = count - label.length
  const answer = topic === undefined ? composeProse(random, length) : composeSummary(random, length, topic)
  if (label.length === 0) return answer
  if (answer[0] !== '.') answer[0] = ` ${answer[0] ?? ''}`
  return [...label, ...answer]
}

/** The text to summarize, where a system prompt or the last turn asks for a summary. */
function summaryTopic(turns: readonly Turn[]): string | undefined {
  const last = turns.at(-1)
  if (last === undefined) return undefined
  const asks = (text: string) => /summar|tl;dr/i.test(text.slice(0, 1_000)) || /summar|tl;dr/i.test(text.slice(-300))
  const asked = asks(last.text) || turns.some(({ role, text }) => role === 'system' && asks(text))
  return asked ? last.text : undefined
}

/** What follows `prefix` in the answer; the whole answer after a prefix of another making. */
function continueAfter(prefix: string, answer: readonly string[]): readonly string[] {
  if (!answer.join('').startsWith(prefix)) return answer
  let length = 0
  for (const [index, token] of answer.entries()) {
    length += token.length
    if (length > prefix.length) return [token.slice(prefix.length - length), ...answer.slice(index + 1)]
  }
  return []
}

/** The tokens before the first stop sequence, and which one it was. */
function stopAt(tokens: readonly string[], stop: readonly string[]): AnswerText {
  const whole = tokens.join('')
  let end = whole.length
  let stopSequence: string | undefined
  for (const sequence of stop) {
    const at = whole.indexOf(sequence)
    if (at < 0 || at >= end) continue
    end = at
    stopSequence = sequence
  }
  if (stopSequence === undefined) return { tokens }
  const kept: string[] = []
  let length = 0
  for (const token of tokens) {
    if (length >= end) break
    kept.push(token.slice(0, end - length))
    length += token.length
  }
  return { tokens: kept, stopSequence }
}
