import { valueForSchema } from './json-answer.ts'
import { composeProse, composeSummary } from './prose.ts'
import { createRandom, hashText, type Random } from './random.ts'
import type { Script } from './script.ts'
import { countTokens, tokenize } from './tokens.ts'

/** One token of output. `call` counts the choice's tool calls; `call` opens one, `arguments` continues it. */
export interface Piece {
  readonly kind: 'reasoning' | 'content' | 'call' | 'arguments'
  text: string
  readonly call: number
}

export interface PlannedCall {
  readonly id: string
  readonly name: string
  readonly arguments: string
}

export interface PlannedChoice {
  readonly pieces: readonly Piece[]
  readonly calls: readonly PlannedCall[]
  readonly finishReason: string
}

/** Everything a call will say, decided before its first byte. Step i emits piece i of every choice. */
export interface Plan {
  readonly choices: readonly PlannedChoice[]
  readonly steps: number
  readonly promptTokens: number
  readonly completionTokens: number
  readonly reasoningTokens: number
}

/** What a wire understood of a request for text. */
export interface TextRequest {
  readonly model: string
  /** What the answer follows from: role and text of each turn, without a prefix to continue. */
  readonly turns: readonly Turn[]
  /** Text the answer has already begun with; only what follows it is generated. */
  readonly prefix: string
  readonly choices: number
  readonly seed: number
  readonly maxTokens: number | undefined
  readonly stop: readonly string[]
  /** Answer in JSON: any object, or one after this schema. */
  readonly json: { readonly schema: unknown } | undefined
  readonly tools: readonly OfferedTool[]
  /** The tool that must be called, when one must. */
  readonly requiredTool: OfferedTool | undefined
  readonly allowTools: boolean
}

export interface Turn {
  readonly role: string
  readonly text: string
}

export interface OfferedTool {
  readonly name: string
  readonly parameters: unknown
}

/** Tokens of the prompt, by the simple count of `tokens.ts`. */
function countPrompt(request: Pick<TextRequest, 'turns' | 'prefix'>): number {
  let characters = request.prefix.length
  for (const { text } of request.turns) characters += text.length
  return Math.max(1, countTokens(characters))
}

/** The answer to a request. The same seed, model, turns and script give the same plan. */
export function planText(serverSeed: number, request: TextRequest, script: Script): Plan {
  let hash = hashText(`${serverSeed} ${request.seed} ${request.model}`)
  for (const { role, text } of request.turns) hash = hashText(text, hashText(role, hash))
  const promptTokens = countPrompt(request)
  const choices: PlannedChoice[] = []
  let steps = 0
  let completionTokens = 0
  let reasoningTokens = 0
  for (let index = 0; index < request.choices; index += 1) {
    const choice = planChoice(createRandom(hash + index), promptTokens, request, script)
    choices.push(choice)
    steps = Math.max(steps, choice.pieces.length)
    completionTokens += choice.pieces.length
    if (script.reasoning !== undefined) {
      for (const piece of choice.pieces) if (piece.kind === 'reasoning') reasoningTokens += 1
    }
  }
  return { choices, steps, promptTokens, completionTokens, reasoningTokens }
}

function planChoice(random: Random, promptTokens: number, request: TextRequest, script: Script): PlannedChoice {
  const calls = planCalls(random, request, script)
  const pieces: Piece[] = planReasoning(random, script)
  let finishReason = 'stop'
  if (calls.length > 0) {
    finishReason = 'tool_calls'
    for (const [index, { name, arguments: text }] of calls.entries()) {
      pieces.push({ kind: 'call', text: name, call: index })
      for (const part of tokenize(text)) pieces.push({ kind: 'arguments', text: part, call: index })
    }
  } else {
    const whole = planContent(random, promptTokens, request, script)
    const rest = request.prefix === '' ? whole : continueAfter(request.prefix, whole)
    for (const text of stopAt(rest, request.stop)) pieces.push({ kind: 'content', text, call: 0 })
  }
  if (request.maxTokens !== undefined && pieces.length > request.maxTokens) {
    pieces.length = request.maxTokens
    finishReason = 'length'
  }
  return { pieces, calls, finishReason: script.finishReason ?? finishReason }
}

function planReasoning(random: Random, { reasoning }: Script): Piece[] {
  if (reasoning === undefined) return []
  const tokens = typeof reasoning === 'string' ? tokenize(reasoning) : composeProse(random, reasoning)
  return tokens.map((text) => ({ kind: 'reasoning', text, call: 0 }))
}

function planContent(random: Random, promptTokens: number, request: TextRequest, script: Script): string[] {
  if (script.text !== undefined) return tokenize(script.text)
  if (request.json !== undefined) {
    const { schema } = request.json
    const value = schema === undefined ? { simulated: true, answer: composeProse(random, 12).join('') } : undefined
    return tokenize(JSON.stringify(value ?? valueForSchema(schema, random)))
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

/** What follows `prefix` in the answer; after a prefix of another making, what follows as many tokens. */
function continueAfter(prefix: string, answer: readonly string[]): string[] {
  const whole = answer.join('')
  if (!whole.startsWith(prefix)) return answer.slice(tokenize(prefix).length)
  let length = 0
  for (const [index, token] of answer.entries()) {
    length += token.length
    if (length > prefix.length) return [token.slice(prefix.length - length), ...answer.slice(index + 1)]
  }
  return []
}

function stopAt(tokens: string[], stop: readonly string[]): string[] {
  if (stop.length === 0) return tokens
  const whole = tokens.join('')
  const found = stop.map((sequence) => whole.indexOf(sequence)).filter((at) => at >= 0)
  if (found.length === 0) return tokens
  const end = Math.min(...found)
  const kept: string[] = []
  let length = 0
  for (const token of tokens) {
    if (length >= end) break
    kept.push(token.slice(0, end - length))
    length += token.length
  }
  return kept
}

function planCalls(random: Random, request: TextRequest, script: Script): PlannedCall[] {
  if (request.tools.length === 0 || !request.allowTools) return []
  const id = () => `call_sim${Math.floor(random() * 2 ** 32).toString(36)}`
  const scripted = script.toolCalls ?? []
  if (scripted.length > 0 && (request.requiredTool !== undefined || request.turns.at(-1)?.role !== 'tool')) {
    return scripted.map(({ name, arguments: value }) => ({
      id: id(),
      name,
      arguments: typeof value === 'string' ? value : JSON.stringify(value),
    }))
  }
  if (request.requiredTool === undefined) return []
  const { name, parameters } = request.requiredTool
  return [{ id: id(), name, arguments: JSON.stringify(valueForSchema(parameters ?? { type: 'object' }, random)) }]
}
