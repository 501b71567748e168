import { RequestError } from '../errors.ts'
import type { OfferedTool, TextRequest, Turn } from '../plan.ts'
import type { Script } from '../script.ts'
import { type Fields, flag, inlineScript, isFields, texts, wholeNumber } from './fields.ts'
import { partText } from './messages.ts'

export interface GeminiRequest {
  readonly model: string
  readonly inline: Script | undefined
  /** Alternatives to give with each token; undefined when no log probabilities are asked for. */
  readonly logprobs: number | undefined
  readonly text: TextRequest
}

export interface GeminiEmbedding {
  readonly text: string
  readonly dimensions: number | undefined
}

/** The body of `:generateContent`. Throws a RequestError with 400. */
export function parseGeminiRequest(model: string, body: Fields): GeminiRequest {
  const config = fieldsOf(body, 'generationConfig')
  const calling = fieldsOf(fieldsOf(body, 'toolConfig'), 'functionCallingConfig')
  const tools = parseTools(body['tools'])
  const logprobs = flag(config, 'responseLogprobs', false) ? (wholeNumber(config, 'logprobs', 0, 20) ?? 0) : undefined
  return {
    model,
    inline: inlineScript(body['sim']),
    logprobs,
    text: {
      model,
      turns: [...parseSystem(body['systemInstruction']), ...parseContents(body['contents'])],
      prefix: '',
      choices: wholeNumber(config, 'candidateCount', 1, 8) ?? 1,
      seed: wholeNumber(config, 'seed', -(2 ** 31), 2 ** 31) ?? 0,
      maxTokens: wholeNumber(config, 'maxOutputTokens', 1, 2 ** 31),
      stop: texts(config, 'stopSequences', 5),
      json: parseFormat(config),
      tools,
      requiredTool: requiredTool(calling, tools),
      allowTools: calling['mode'] !== 'NONE',
    },
  }
}

/** One request for an embedding. Throws as `parseGeminiRequest`. */
export function parseGeminiEmbedding(body: unknown): GeminiEmbedding {
  const content = isFields(body) ? body['content'] : undefined
  if (!isFields(body) || !isFields(content)) throw invalid('* EmbedContentRequest.content: content is not specified')
  return { text: parts(content['parts'], 'content'), dimensions: wholeNumber(body, 'outputDimensionality', 1, 16_384) }
}

function parseSystem(value: unknown): Turn[] {
  if (value === undefined || value === null) return []
  if (!isFields(value)) throw invalid("Invalid value at 'system_instruction'")
  return [{ role: 'system', text: parts(value['parts'], 'system_instruction') }]
}

function parseContents(value: unknown): Turn[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid('* GenerateContentRequest.contents: contents is not specified')
  }
  return value.map((content: unknown, index) => {
    if (!isFields(content)) throw invalid(`Invalid value at 'contents[${index}]'`)
    const { role = 'user', parts: given } = content as { role?: unknown; parts?: unknown }
    if (role !== 'user' && role !== 'model' && role !== 'function') {
      throw invalid('Please use a valid role: user, model.')
    }
    const answersTool = Array.isArray(given) && given.some((part) => isFields(part) && 'functionResponse' in part)
    const name = answersTool ? 'tool' : role === 'model' ? 'assistant' : 'user'
    return { role: name, text: parts(given, `contents[${index}]`) }
  })
}

function parts(value: unknown, path: string): string {
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(`* GenerateContentRequest.${path}.parts: must not be empty`)
  return partText(value, `${path}.parts`)
}

function parseTools(value: unknown): OfferedTool[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw invalid("Invalid value at 'tools'")
  return value.flatMap((tool: unknown) => {
    const declarations = isFields(tool) ? (tool['functionDeclarations'] ?? []) : undefined
    if (!Array.isArray(declarations)) throw invalid("Invalid value at 'tools'")
    return declarations.map((declaration: unknown) => {
      const name = isFields(declaration) ? declaration['name'] : undefined
      if (!isFields(declaration) || typeof name !== 'string') {
        throw invalid('* GenerateContentRequest.tools.function_declarations.name: must be a string')
      }
      return { name, parameters: declaration['parametersJsonSchema'] ?? declaration['parameters'] }
    })
  })
}

function requiredTool(calling: Fields, tools: readonly OfferedTool[]): OfferedTool | undefined {
  if (calling['mode'] !== 'ANY') return undefined
  const allowed = texts(calling, 'allowedFunctionNames', 512)
  const tool = tools.find(({ name }) => allowed.length === 0 || allowed.includes(name))
  if (tool === undefined) throw invalid('Function calling mode is ANY, but no allowed function is declared.')
  return tool
}

function parseFormat(config: Fields): TextRequest['json'] {
  if (config['responseMimeType'] !== 'application/json') return undefined
  return { schema: config['responseJsonSchema'] ?? config['responseSchema'] ?? undefined }
}

function fieldsOf(body: Fields, name: string): Fields {
  const value = body[name] ?? {}
  if (!isFields(value)) throw invalid(`Invalid value at '${name}'`)
  return value
}

function invalid(message: string): RequestError {
  return new RequestError(400, message)
}
