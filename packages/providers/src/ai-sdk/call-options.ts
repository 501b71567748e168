import type { LanguageModelV4CallOptions, LanguageModelV4FunctionTool, LanguageModelV4Message } from '@ai-sdk/provider'
import { requestForRest } from '../continuation.ts'
import { isObject, isVoid, type JsonObject, refused } from '../json.ts'
import type { Upstream } from '../port.ts'
import { missingDefaults } from '../request-defaults.ts'
import { cacheOptions } from './media.ts'
import { toPrompt } from './prompt.ts'
import { providerOptions, thinkingBudget } from './provider-options.ts'
import { fieldsForWire } from './request-fields.ts'
import type { SdkWire } from './sdk.ts'

export interface PreparedCall {
  readonly options: LanguageModelV4CallOptions
  /** Fields of the request the SDK has no name for. */
  readonly extraFields: Readonly<JsonObject>
}

/**
 * OpenAI's request in an SDK's words. Throws `upstream_invalid_request` naming a field that cannot be kept to; README.md
 * lists those that are left out instead. `given`: the beginning of the answer, to be continued.
 */
export function prepareCall(
  operation: 'chat' | 'text',
  upstream: Pick<Upstream, 'defaults'>,
  wire: SdkWire,
  asked: Readonly<JsonObject>,
  given: string | undefined,
): PreparedCall {
  const defaults = upstream.defaults ?? {}
  const whole: JsonObject = { ...asked, ...missingDefaults(asked, defaults) }
  const request = given === undefined ? whole : requestForRest(whole, {}, given)
  refuseImpossible(request)
  const prompt = operation === 'chat' ? toPrompt(request['messages'], wire) : promptOfText(request)
  const continues = given !== undefined
  const prefix = given?.trimEnd() ?? ''
  if (prefix !== '') prompt.push({ role: 'assistant', content: [{ type: 'text', text: prefix }] })

  const effort = wire === 'anthropic' ? claudeEffort(request) : undefined
  const extraFields = fieldsForWire(request, wire)
  const responseFormat = continues ? undefined : responseFormatOf(request['response_format'], wire)
  const tools = toolsOf(request['tools'])
  const toolChoice = continues ? undefined : toolChoiceOf(request['tool_choice'])
  // Said in Anthropic's own words, an effort says nothing of thinking; OpenAI's asks for it.
  const reasoning = continues || effort !== undefined ? undefined : reasoningOf(request['reasoning_effort'])
  return {
    options: {
      prompt,
      ...numbersOf(request),
      ...maxOutputTokens(request, wire, continues),
      ...(isVoid(request['stop']) ? {} : { stopSequences: stopsOf(request['stop']) }),
      ...(responseFormat === undefined ? {} : { responseFormat }),
      ...(tools === undefined ? {} : { tools }),
      ...(toolChoice === undefined ? {} : { toolChoice }),
      ...(reasoning === undefined ? {} : { reasoning }),
      providerOptions: providerOptions(request, wire, {
        continues,
        freeJson: responseFormat?.type === 'json' && isAnyObject(request['response_format']),
        extraFields,
        // The format takes the place of the field that the effort came in.
        ...(effort === undefined || responseFormat === undefined ? {} : { effort }),
      }),
    },
    extraFields: wire === 'bedrock' ? {} : extraFields,
  }
}

/** What would change the answer's form, so that leaving it out would deceive. */
function refuseImpossible(request: JsonObject): void {
  for (const field of ['n', 'best_of']) {
    const value = request[field]
    if (typeof value === 'number' && value > 1) throw refused(field, 'This upstream gives one answer to a request.')
  }
  if (typeof request['logprobs'] === 'number' || request['logprobs'] === true) {
    throw refused('logprobs', 'No log probabilities are to be had from this upstream.')
  }
  if (request['echo'] === true) throw refused('echo', 'This upstream cannot echo the prompt.')
  for (const field of ['suffix', 'functions', 'function_call', 'audio']) {
    if (!isVoid(request[field]) && request[field] !== '')
      throw refused(field, `This upstream has nothing for ${field}.`)
  }
}

function promptOfText(request: JsonObject): LanguageModelV4Message[] {
  const { prompt } = request
  const only = Array.isArray(prompt) && prompt.length === 1 ? prompt[0] : prompt
  if (typeof only !== 'string') {
    throw refused('prompt', 'This upstream takes one prompt as a text, not several and not as tokens.')
  }
  return [{ role: 'user', content: [{ type: 'text', text: only }] }]
}

const numberNames = {
  temperature: 'temperature',
  top_p: 'topP',
  top_k: 'topK',
  seed: 'seed',
  presence_penalty: 'presencePenalty',
  frequency_penalty: 'frequencyPenalty',
} as const

function numbersOf(request: JsonObject): Partial<LanguageModelV4CallOptions> {
  const numbers: Partial<Record<(typeof numberNames)[keyof typeof numberNames], number>> = {}
  for (const [field, name] of Object.entries(numberNames)) {
    const value = request[field]
    if (typeof value === 'number') numbers[name] = value
  }
  return numbers
}

/** The SDKs of Claude add a given budget for thinking to the limit; the client's limit holds for both together. */
function maxOutputTokens(
  request: JsonObject,
  wire: SdkWire,
  continues: boolean,
): Pick<LanguageModelV4CallOptions, 'maxOutputTokens'> {
  const limit = request['max_completion_tokens'] ?? request['max_tokens']
  if (typeof limit !== 'number') return {}
  const addsBudget = !continues && (wire === 'anthropic' || wire === 'bedrock')
  const budget = addsBudget ? (thinkingBudget(request['thinking']) ?? 0) : 0
  return { maxOutputTokens: limit > budget ? limit - budget : limit }
}

function stopsOf(stop: unknown): string[] {
  const stops = typeof stop === 'string' ? [stop] : stop
  if (Array.isArray(stops) && stops.every((text) => typeof text === 'string')) return stops
  throw refused('stop', 'Stop sequences are texts.')
}

/** Any JSON object: what `json_object` asks for, in the only form Claude can be held to, a schema. */
const anyObject = { type: 'object', additionalProperties: true } as const

function responseFormatOf(format: unknown, wire: SdkWire): LanguageModelV4CallOptions['responseFormat'] {
  if (!isObject(format)) return undefined
  switch (format['type']) {
    case 'text':
    case undefined:
      return undefined
    case 'json_object':
      return wire === 'anthropic' || wire === 'bedrock' ? { type: 'json', schema: anyObject } : { type: 'json' }
    case 'json_schema': {
      const described = format['json_schema']
      if (!isObject(described) || !isObject(described['schema'])) {
        throw refused('response_format.json_schema.schema', 'The schema must be an object.')
      }
      const { schema, name, description } = described
      return {
        type: 'json',
        schema: schema as JsonObject,
        ...(typeof name === 'string' ? { name } : {}),
        ...(typeof description === 'string' ? { description } : {}),
      }
    }
    default:
      throw refused('response_format.type', 'This upstream knows the formats text, json_object and json_schema.')
  }
}

function isAnyObject(format: unknown): boolean {
  return isObject(format) && format['type'] === 'json_object'
}

function toolsOf(tools: unknown): LanguageModelV4FunctionTool[] | undefined {
  if (isVoid(tools)) return undefined
  if (!Array.isArray(tools)) throw refused('tools', 'The tools must be a list.')
  return tools.map((tool, index) => {
    const path = `tools[${index}]`
    const described = isObject(tool) ? tool['function'] : undefined
    if (!isObject(tool) || tool['type'] !== 'function' || !isObject(described)) {
      throw refused(`${path}.type`, 'This upstream takes tools of type function only.')
    }
    const { name, description, parameters, strict } = described
    if (typeof name !== 'string') throw refused(`${path}.function.name`, 'A tool must have a name.')
    return {
      type: 'function',
      name,
      inputSchema: isObject(parameters) ? parameters : { type: 'object', properties: {} },
      ...(typeof description === 'string' ? { description } : {}),
      ...(typeof strict === 'boolean' ? { strict } : {}),
      ...cacheOptions(tool),
    }
  })
}

function toolChoiceOf(choice: unknown): LanguageModelV4CallOptions['toolChoice'] {
  if (isVoid(choice)) return undefined
  if (choice === 'auto' || choice === 'none' || choice === 'required') return { type: choice }
  const named = isObject(choice) && isObject(choice['function']) ? choice['function']['name'] : undefined
  if (typeof named === 'string') return { type: 'tool', toolName: named }
  throw refused('tool_choice', 'This upstream knows auto, none, required and a function by name.')
}

/** Anthropic's `output_config.effort`, which goes out as it came. */
function claudeEffort(request: JsonObject): string | undefined {
  const { output_config: config } = request
  return isObject(config) && typeof config['effort'] === 'string' ? config['effort'] : undefined
}

const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const

function reasoningOf(effort: unknown): LanguageModelV4CallOptions['reasoning'] {
  if (isVoid(effort)) return undefined
  const known = efforts.find((name) => name === effort)
  if (known === undefined) throw refused('reasoning_effort', `This upstream knows ${efforts.join(', ')}.`)
  return known
}
