import { type AnswerText, answerText } from './answer-text.ts'
import { breakJson, valueForSchema } from './json-answer.ts'
import { composeProse } from './prose.ts'
import { createRandom, hashText, type Random } from './random.ts'
import type { Script } from './script.ts'
import { countTokens, tokenize } from './tokens.ts'

/** One token of output. `call` counts the choice's tool calls; `call` opens one, `arguments` continues it. */
export interface Piece {
  readonly kind: 'reasoning' | 'content' | 'refusal' | 'call' | 'arguments'
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
  /** OpenAI's word for why the answer ends; each wire says it in its own. */
  readonly finishReason: string
  /** The sequence that ended the answer, when one did. */
  readonly stopSequence?: string
  /** The model declines; its words, if any, are pieces of the kind `refusal`. */
  readonly refused?: boolean
}

/** Everything a call will say, decided before its first byte. Step i emits piece i of every choice. */
export interface Plan {
  readonly choices: readonly PlannedChoice[]
  readonly steps: number
  readonly promptTokens: number
  readonly completionTokens: number
  readonly reasoningTokens: number
  /** What it answers, where that is text. */
  readonly turns?: readonly Turn[]
  /** Of the prompt, those that the model had read before. */
  readonly cachedTokens?: number
  /** The answer continues a prefix of the request. */
  readonly continued?: boolean
  /** A content filter has blocked the prompt: there is no answer. Only on a wire that answers such a call. */
  readonly blocked?: boolean
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
export function countPrompt(request: Pick<TextRequest, 'turns' | 'prefix'>): number {
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
  const continued = request.prefix !== ''
  const { turns } = request
  return { choices, steps, promptTokens, completionTokens, reasoningTokens, turns, ...(continued ? { continued } : {}) }
}

/** The plan of a call whose prompt a content filter has blocked: no token of an answer. */
export function planBlocked(request: TextRequest): Plan {
  const choice = { pieces: [], calls: [], finishReason: 'content_filter' }
  const choices = Array.from({ length: request.choices }, () => choice)
  return {
    choices,
    steps: 0,
    promptTokens: countPrompt(request),
    completionTokens: 0,
    reasoningTokens: 0,
    blocked: true,
  }
}

function planChoice(random: Random, promptTokens: number, request: TextRequest, script: Script): PlannedChoice {
  const { refusal } = script
  const refused = refusal !== undefined
  const calls = refused ? [] : planCalls(random, request, script)
  const pieces: Piece[] = planReasoning(random, request, script)
  let text: AnswerText | undefined
  if (refused) {
    for (const part of tokenize(refusal)) pieces.push({ kind: 'refusal', text: part, call: 0 })
  } else if (calls.length > 0) {
    for (const [index, call] of calls.entries()) {
      pieces.push({ kind: 'call', text: call.name, call: index })
      for (const part of tokenize(call.arguments)) pieces.push({ kind: 'arguments', text: part, call: index })
    }
  } else {
    text = answerText(random, promptTokens, request, script)
    for (const part of text.tokens) pieces.push({ kind: 'content', text: part, call: 0 })
  }
  const cut = request.maxTokens !== undefined && pieces.length > request.maxTokens
  if (cut) pieces.length = request.maxTokens
  const finishReason = cut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop'
  return {
    pieces,
    calls,
    finishReason: script.finishReason ?? finishReason,
    ...(cut || text?.stopSequence === undefined ? {} : { stopSequence: text.stopSequence }),
    ...(refused ? { refused } : {}),
  }
}

/** A prefix is a part of the answer, so the reasoning lies behind it. */
function planReasoning(random: Random, { prefix }: TextRequest, { reasoning }: Script): Piece[] {
  if (reasoning === undefined || prefix !== '') return []
  const tokens = typeof reasoning === 'string' ? tokenize(reasoning) : composeProse(random, reasoning)
  return tokens.map((text) => ({ kind: 'reasoning', text, call: 0 }))
}

function planCalls(random: Random, request: TextRequest, script: Script): PlannedCall[] {
  if (request.tools.length === 0 || !request.allowTools) return []
  const id = () => `call_sim${Math.floor(random() * 2 ** 32).toString(36)}`
  const write = (value: unknown) =>
    script.brokenJson === true ? breakJson(JSON.stringify(value)) : JSON.stringify(value)
  const scripted = script.toolCalls ?? []
  if (scripted.length > 0 && (request.requiredTool !== undefined || request.turns.at(-1)?.role !== 'tool')) {
    return scripted.map(({ name, arguments: value }) => ({
      id: id(),
      name,
      arguments: typeof value === 'string' ? value : write(value),
    }))
  }
  if (request.requiredTool === undefined) return []
  const { name, parameters } = request.requiredTool
  return [{ id: id(), name, arguments: write(valueForSchema(parameters ?? { type: 'object' }, random)) }]
}
