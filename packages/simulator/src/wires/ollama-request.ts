import { invalidField } from '../errors.ts'
import type { TextRequest } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, flag, inlineScript, isFields, requiredText, texts, wholeNumber } from './fields.ts'
import { parseTools, parseTurns } from './messages.ts'

export interface OllamaOptions {
  readonly model: string
  readonly stream: boolean
  readonly inline: Script | undefined
  /** The options a model is loaded under, as one comparable text: others mean loading it again. */
  readonly loadOptions: string
  readonly keepAliveMs: number
}

export interface OllamaTextRequest extends OllamaOptions {
  /** Undefined: only load the model, or unload it when it is not kept alive. */
  readonly text: TextRequest | undefined
}

const defaultKeepAliveMs = 300_000
const loadFields = ['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'use_mmap', 'use_mlock', 'num_thread', 'numa']
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** The body of `POST /api/chat`. Throws a RequestError with 400. */
export function parseOllamaChat(body: Fields): OllamaTextRequest {
  const options = parseOllamaOptions(body)
  const turns = parseTurns(body['messages'] ?? [])
  if (turns.length === 0) return { ...options, text: undefined }
  // Ollama renders a last turn of the assistant as the beginning of the answer.
  const last = turns.at(-1)
  const prefix = last?.role === 'assistant' ? last.text : ''
  if (last?.role === 'assistant') turns.pop()
  const text = {
    ...parseSampling(body, options.model),
    turns,
    prefix,
    tools: parseTools(body['tools']),
    allowTools: true,
  }
  return { ...options, text }
}

/** The body of `POST /api/generate`. Throws as `parseOllamaChat`. */
export function parseOllamaGenerate(body: Fields): OllamaTextRequest {
  const options = parseOllamaOptions(body)
  const prompt = optionalText(body, 'prompt')
  const system = optionalText(body, 'system')
  if (prompt === '') return { ...options, text: undefined }
  const turns = [...(system === '' ? [] : [{ role: 'system', text: system }]), { role: 'user', text: prompt }]
  const text = { ...parseSampling(body, options.model), turns, prefix: '', tools: [], allowTools: false }
  return { ...options, text }
}

/** What every request of Ollama's wire carries. Throws as `parseOllamaChat`. */
export function parseOllamaOptions(body: Fields): OllamaOptions {
  const options = optionsOf(body)
  const loadOptions = loadFields.filter((name) => options[name] !== undefined).map((name) => [name, options[name]])
  return {
    model: requiredText(body, 'model'),
    stream: flag(body, 'stream', true),
    inline: inlineScript(body['sim'] ?? options['sim']),
    loadOptions: JSON.stringify(Object.fromEntries(loadOptions)),
    keepAliveMs: parseKeepAlive(body['keep_alive']),
  }
}

function parseSampling(
  body: Fields,
  model: string,
): Pick<TextRequest, 'model' | 'choices' | 'seed' | 'maxTokens' | 'stop' | 'json' | 'requiredTool'> {
  const options = optionsOf(body)
  const limit = wholeNumber(options, 'num_predict', -2, 2 ** 31)
  return {
    model,
    choices: 1,
    seed: wholeNumber(options, 'seed', -(2 ** 53), 2 ** 53) ?? 0,
    maxTokens: limit === undefined || limit < 0 ? undefined : limit,
    stop: texts(options, 'stop', 16),
    json: parseFormat(body['format']),
    requiredTool: undefined,
  }
}

function parseFormat(format: unknown): TextRequest['json'] {
  if (format === undefined || format === null || format === '') return undefined
  if (format === 'json') return { schema: undefined }
  if (isFields(format)) return { schema: format }
  throw invalidField('format', "it must be 'json' or a schema")
}

/** Seconds as a number, or a duration such as "5m" or "1h30m"; negative: for good. */
function parseKeepAlive(value: unknown): number {
  if (value === undefined || value === null) return defaultKeepAliveMs
  if (typeof value === 'number') return value < 0 ? Number.POSITIVE_INFINITY : value * 1_000
  if (typeof value !== 'string') throw invalidField('keep_alive', 'it must be a number of seconds or a duration')
  if (/^-?\d+(\.\d+)?$/.test(value)) return parseKeepAlive(Number(value))
  if (!/^-?(\d+(\.\d+)?(ms|s|m|h))+$/.test(value))
    throw invalidField('keep_alive', 'it must be a duration such as "5m"')
  if (value.startsWith('-')) return Number.POSITIVE_INFINITY
  let total = 0
  for (const [, amount, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * (durationUnits[unit ?? ''] ?? 0)
  }
  return total
}

function optionsOf(body: Fields): Fields {
  const options = body['options'] ?? {}
  if (!isFields(options)) throw invalidField('options', 'it must be an object')
  return options
}

function optionalText(body: Fields, name: string): string {
  const value = body[name] ?? ''
  if (typeof value !== 'string') throw invalidField(name, 'it must be a string')
  return value
}
