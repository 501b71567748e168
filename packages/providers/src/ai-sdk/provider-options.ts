import type { SharedV4ProviderOptions } from '@ai-sdk/provider'
import { isObject, isVoid, type JsonObject, refused } from '../json.ts'
import type { SdkWire } from './sdk.ts'

type Options = SharedV4ProviderOptions[string]

export interface OptionContext {
  /** A beginning is continued: thinking is over, and Claude takes both together for a mistake. */
  readonly continues: boolean
  /** Any JSON object will do, which the schemas of Claude's own structured output cannot say: a tool can. */
  readonly freeJson: boolean
  readonly extraFields: Readonly<JsonObject>
  readonly effort?: string
}

/** What only one vendor has a name for. */
export function providerOptions(request: JsonObject, wire: SdkWire, context: OptionContext): SharedV4ProviderOptions {
  const thinking = context.continues ? undefined : readThinking(request['thinking'])
  const effort = context.continues ? undefined : request['reasoning_effort']
  switch (wire) {
    case 'anthropic':
      return { anthropic: { ...claudeOptions(request, context), ...field('thinking', anthropicThinking(thinking)) } }
    case 'bedrock':
      return {
        anthropic: claudeOptions(request, context),
        amazonBedrock: {
          ...field('reasoningConfig', anthropicThinking(thinking)),
          ...(Object.keys(context.extraFields).length === 0
            ? {}
            : { additionalModelRequestFields: context.extraFields as Options }),
        },
      }
    case 'gemini':
      return { google: field('thinkingConfig', googleThinking(thinking, effort)) }
    case 'cohere':
      return { cohere: field('thinking', cohereThinking(thinking)) }
    default:
      return unknownWire(wire)
  }
}

/** Tokens that may be thought, as Anthropic's and LiteLLM's `thinking` says it. */
export function thinkingBudget(thinking: unknown): number | undefined {
  const read = readThinking(thinking)
  return read?.type === 'enabled' ? read.budget : undefined
}

function claudeOptions(request: JsonObject, context: OptionContext): Options {
  return {
    ...(request['parallel_tool_calls'] === false ? { disableParallelToolUse: true } : {}),
    ...(typeof request['user'] === 'string' ? { metadata: { userId: request['user'] } } : {}),
    ...(context.effort === undefined ? {} : { effort: context.effort }),
    ...(context.freeJson ? { structuredOutputMode: 'jsonTool' } : {}),
  }
}

interface Thinking {
  readonly type: 'enabled' | 'disabled' | 'adaptive'
  readonly budget?: number
}

function readThinking(thinking: unknown): Thinking | undefined {
  if (isVoid(thinking)) return undefined
  const { type, budget_tokens: budget } = isObject(thinking) ? thinking : {}
  if (type !== 'enabled' && type !== 'disabled' && type !== 'adaptive') {
    throw refused('thinking.type', 'This upstream knows enabled, disabled and adaptive.')
  }
  return { type, ...(typeof budget === 'number' ? { budget } : {}) }
}

function anthropicThinking(thinking: Thinking | undefined): Options | undefined {
  switch (thinking?.type) {
    case undefined:
      return undefined
    case 'enabled':
      return { type: 'enabled', ...(thinking.budget === undefined ? {} : { budgetTokens: thinking.budget }) }
    case 'adaptive':
      // Newer models think in silence unless asked; who asks for thinking wants to see it.
      return { type: 'adaptive', display: 'summarized' }
    case 'disabled':
      return { type: 'disabled' }
  }
}

function googleThinking(thinking: Thinking | undefined, effort: unknown): Options | undefined {
  if (thinking === undefined) {
    return typeof effort === 'string' && effort !== 'none' ? { includeThoughts: true } : undefined
  }
  if (thinking.type === 'disabled') return { thinkingBudget: 0 }
  return { includeThoughts: true, ...(thinking.budget === undefined ? {} : { thinkingBudget: thinking.budget }) }
}

function cohereThinking(thinking: Thinking | undefined): Options | undefined {
  if (thinking === undefined) return undefined
  if (thinking.type === 'disabled') return { type: 'disabled' }
  return { type: 'enabled', ...(thinking.budget === undefined ? {} : { tokenBudget: thinking.budget }) }
}

function field(name: string, value: Options | undefined): Options {
  return value === undefined ? {} : { [name]: value }
}

function unknownWire(wire: never): never {
  throw new TypeError(`There are no options for the wire ${String(wire)}.`)
}
