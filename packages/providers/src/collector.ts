import type { ChoiceDelta, TokenUsage } from '@inferq/contracts'
import { tooLarge } from './exchange.ts'
import { isObject, isVoid, type JsonObject } from './json.ts'
import type { CompletionSink } from './port.ts'
import { toOpenAIUsage } from './usage.ts'

/** What the stream itself does not tell of the object it stands for. */
export interface CollectedMeta {
  readonly id: string
  /** Unix time in seconds. */
  readonly created: number
  /** As the client should see it. */
  readonly model: string
  readonly usage?: TokenUsage
}

/** A sink that puts the whole OpenAI object together again. */
export interface Collector extends CompletionSink {
  /** The `chat.completion` or `text_completion` of what has come so far. */
  result(meta: CollectedMeta): JsonObject
}

export interface CollectorOptions {
  /** Longest output over all choices, in bytes of UTF-8; beyond it the sink throws `output_too_large`. */
  readonly maxOutputBytes: number
}

/**
 * Joins what an answer's stream said: texts, reasoning and refusals one after the other, the arguments of each tool call by
 * its index, log probabilities in order, each choice by itself. Of a field it does not know, texts and lists are joined and
 * anything else is the last one seen.
 */
export function createCollector(operation: 'chat' | 'text', options: CollectorOptions): Collector {
  const choices = new Map<number, Choice>()
  let bytes = 0
  const take = (text: string): void => {
    bytes += Buffer.byteLength(text)
    if (bytes > options.maxOutputBytes) throw tooLarge(`The output is longer than ${options.maxOutputBytes} bytes.`)
  }
  const choiceOf = (index: number): Choice => {
    const known = choices.get(index)
    if (known !== undefined) return known
    const choice: Choice = { text: '', finishReason: null, message: {}, toolCalls: new Map(), logprobs: null, rest: {} }
    choices.set(index, choice)
    return choice
  }
  const first = choiceOf(0)
  return {
    text(text) {
      take(text)
      first.text += text
    },
    deltas(deltas) {
      for (const delta of deltas) {
        take(textOf(delta))
        addDelta(choiceOf(delta.index), delta)
      }
    },
    result: ({ id, created, model, usage }) => ({
      id,
      object: operation === 'chat' ? 'chat.completion' : 'text_completion',
      created,
      model,
      choices: [...choices]
        .sort(([a], [b]) => a - b)
        .map(([index, choice]) => (operation === 'chat' ? chatChoice(index, choice) : textChoice(index, choice))),
      ...(usage === undefined ? {} : { usage: toOpenAIUsage(usage) }),
    }),
  }
}

interface Choice {
  text: string
  finishReason: string | null
  /** Fields of the message but `content` and `tool_calls`. */
  readonly message: JsonObject
  readonly toolCalls: Map<number, JsonObject>
  logprobs: JsonObject | null
  /** Fields of the choice that are not OpenAI's. */
  readonly rest: JsonObject
}

const choiceKeys: ReadonlySet<string> = new Set(['index', 'delta', 'text', 'finish_reason', 'logprobs'])

function addDelta(choice: Choice, part: ChoiceDelta): void {
  if (part.text !== undefined) choice.text += part.text
  if (typeof part.finish_reason === 'string') choice.finishReason = part.finish_reason
  if (isObject(part.logprobs)) {
    choice.logprobs ??= {}
    joinInto(choice.logprobs, part.logprobs)
  }
  for (const [field, value] of Object.entries(part.delta ?? {})) {
    if (field === 'content' && typeof value === 'string') choice.text += value
    else if (field === 'tool_calls' && Array.isArray(value)) for (const call of value) addToolCall(choice, call)
    else if (field === 'function_call' && isObject(value)) addFunction(choice.message, 'function_call', value)
    else if (field !== 'role') joinField(choice.message, field, value)
  }
  for (const [field, value] of Object.entries(part)) if (!choiceKeys.has(field)) joinField(choice.rest, field, value)
}

function addToolCall(choice: Choice, part: unknown): void {
  if (!isObject(part)) return
  const { index, function: called, ...rest } = part
  const place = typeof index === 'number' ? index : placeWithoutIndex(choice, rest['id'])
  const call = choice.toolCalls.get(place) ?? {}
  choice.toolCalls.set(place, call)
  for (const [field, value] of Object.entries(rest)) if (!isVoid(value)) call[field] = value
  if (isObject(called)) addFunction(call, 'function', called)
}

/** Some leave the index out: an id not seen begins a call, none goes on with the last. */
function placeWithoutIndex(choice: Choice, id: unknown): number {
  const { size } = choice.toolCalls
  if (size === 0) return 0
  if (typeof id !== 'string') return size - 1
  const known = [...choice.toolCalls].find(([, call]) => call['id'] === id)
  return known === undefined ? size : known[0]
}

/** A name comes once, arguments come in pieces. */
function addFunction(owner: JsonObject, field: string, part: JsonObject): void {
  const whole = isObject(owner[field]) ? owner[field] : { name: '', arguments: '' }
  owner[field] = whole
  if (typeof part['name'] === 'string' && part['name'] !== '') whole['name'] = part['name']
  if (typeof part['arguments'] === 'string') whole['arguments'] = `${whole['arguments']}${part['arguments']}`
}

function joinInto(target: JsonObject, part: Readonly<JsonObject>): void {
  for (const [field, value] of Object.entries(part)) joinField(target, field, value)
}

function joinField(target: JsonObject, field: string, value: unknown): void {
  const before = target[field]
  if (typeof value === 'string' && typeof before === 'string') target[field] = before + value
  else if (Array.isArray(value) && Array.isArray(before)) before.push(...value)
  else if (Array.isArray(value)) target[field] = [...value]
  else if (value !== null || before === undefined) target[field] = value
}

/** Every text of a delta, as one: only its length matters. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return ''
  return Object.values(value).map(textOf).join('')
}

function chatChoice(index: number, choice: Choice): JsonObject {
  const toolCalls = [...choice.toolCalls]
    .sort(([a], [b]) => a - b)
    .map(([, { id, type, ...rest }]) => ({ id: id ?? null, type: type ?? 'function', ...rest }))
  // OpenAI gives null where the answer is a call or a refusal.
  const speaks = choice.text !== '' || (toolCalls.length === 0 && isVoid(choice.message['refusal']))
  return {
    index,
    message: {
      role: 'assistant',
      content: speaks ? choice.text : null,
      refusal: null,
      ...choice.message,
      ...(toolCalls.length === 0 ? {} : { tool_calls: toolCalls }),
    },
    logprobs: choice.logprobs,
    finish_reason: choice.finishReason,
    ...choice.rest,
  }
}

function textChoice(index: number, choice: Choice): JsonObject {
  const { text, logprobs, finishReason, rest } = choice
  return { index, text, logprobs, finish_reason: finishReason, ...rest }
}
