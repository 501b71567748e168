import type { EmbeddingScript, Fault, ModelScript, Script, ScriptedToolCall, ScriptPatch, SlowBody } from './script.ts'

/** A script that does not say what it means. `field` is the path to it, such as `sim.fault.status`. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError'
  readonly code = 'invalid_script'
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field} ${problem}`)
    this.field = field
  }
}

type Check = (value: unknown, path: string) => void
type Checks<Shape> = { readonly [Field in keyof Required<Shape>]: Check }

const hourMs = 3_600_000
const manyTokens = 100_000
const manyScripts = 10_000

const delay = number(0, hourMs)
const share = number(0, 1)
const tokenCount = integer(0, manyTokens)

const faultChecks: Checks<Fault> = {
  status: integer(400, 599),
  code: text,
  message: text,
  retryAfterS: number(0, 86_400),
  body: () => {},
  rate: share,
}
const slowBodyChecks: Checks<SlowBody> = { bytes: integer(1, 1_048_576), everyMs: number(1, hourMs) }
const toolCallChecks: Checks<ScriptedToolCall> = { name: text, arguments: () => {} }
const embeddingChecks: Checks<EmbeddingScript> = {
  fixedMs: delay,
  perTokenMs: delay,
  batchExponent: share,
  dimensions: integer(1, 16_384),
  maxItems: integer(1, 1_000_000),
  maxTokens: integer(1, 1_000_000_000),
  rejectContaining: text,
  rejectStatus: integer(400, 599),
}

const scriptChecks: Checks<Script> = {
  text,
  refusal: text,
  tokens: tokenCount,
  label: text,
  finishReason: text,
  toolCalls: list(64, (value, path) => fields(toolCallChecks, value, path, ['name', 'arguments'])),
  reasoning: (value, path) => (typeof value === 'string' ? undefined : tokenCount(value, path)),
  brokenJson: flag,
  logprob: number(-100, 0),
  echoPrefix: flag,
  usage: record,
  noUsage: flag,
  ttftMs: delay,
  prefixCache: flag,
  interTokenMs: delay,
  jitter: share,
  emitStamps: flag,
  slowBody: (value, path) => fields(slowBodyChecks, value, path, ['bytes', 'everyMs']),
  fault: (value, path) =>
    typeof value === 'number' ? faultChecks.status(value, path) : fields(faultChecks, value, path, ['status']),
  contentFilter: flag,
  hang: (value, path) => {
    if (value === 'before-headers' || value === 'before-first-token') return
    if (typeof value === 'string') {
      throw new ScriptError(path, 'must be "before-headers", "before-first-token" or { afterTokens }')
    }
    fields({ afterTokens: tokenCount }, value, path, ['afterTokens'])
  },
  malformedAfter: tokenCount,
  errorAfter: tokenCount,
  cutAfter: tokenCount,
  contextTokens: integer(1, 100_000_000),
  embedding: (value, path) => fields(embeddingChecks, value, path),
  swapMs: delay,
}

const modelChecks: Checks<ModelScript> = {
  ...scriptChecks,
  slots: integer(1, 100_000),
  maxQueued: integer(0, 100_000),
  kvTokens: integer(1, 1_000_000_000),
  batchSlowdown: number(0, 1_000),
  capabilities: list(16, text),
  next: list(manyScripts, (value, path) => fields(scriptChecks, value, path)),
}

/** The script of one call. Throws a ScriptError naming the field, also for a field that is none. */
export function parseScript(value: unknown, path: string): Script {
  fields(scriptChecks, value, path)
  return value as Script
}

/** The script of a model. Throws as `parseScript`. */
export function parseModelScript(value: unknown, path: string): ModelScript {
  fields(modelChecks, value, path)
  return value as ModelScript
}

/** A patch of a model's script, where null takes a field back. Throws as `parseScript`. */
export function parseScriptPatch(value: unknown, path: string): ScriptPatch {
  const given = Object.entries(record(value, path))
  fields(modelChecks, Object.fromEntries(given.filter(([, one]) => one !== null)), path)
  for (const [name] of given)
    if (!Object.hasOwn(modelChecks, name)) throw new ScriptError(`${path}.${name}`, 'is not a field')
  return value as ScriptPatch
}

function fields(checks: Readonly<Record<string, Check>>, value: unknown, path: string, required: string[] = []): void {
  const given = record(value, path)
  for (const [name, one] of Object.entries(given)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (check === undefined) throw new ScriptError(`${path}.${name}`, 'is not a field of a script here')
    check(one, `${path}.${name}`)
  }
  for (const name of required) if (!(name in given)) throw new ScriptError(`${path}.${name}`, 'is missing')
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ScriptError(path, 'must be an object')
  }
  return value as Record<string, unknown>
}

function text(value: unknown, path: string): void {
  if (typeof value !== 'string') throw new ScriptError(path, 'must be a string')
}

function flag(value: unknown, path: string): void {
  if (typeof value !== 'boolean') throw new ScriptError(path, 'must be true or false')
}

function number(least: number, most: number): Check {
  return (value, path) => {
    if (typeof value !== 'number' || !(value >= least && value <= most)) {
      throw new ScriptError(path, `must be a number from ${least} to ${most}`)
    }
  }
}

function integer(least: number, most: number): Check {
  return (value, path) => {
    if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
      throw new ScriptError(path, `must be a whole number from ${least} to ${most}`)
    }
  }
}

function list(most: number, check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) throw new ScriptError(path, 'must be a list')
    if (value.length > most) throw new ScriptError(path, `must have at most ${most} items`)
    value.forEach((one, index) => {
      check(one, `${path}[${index}]`)
    })
  }
}
