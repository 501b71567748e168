import type { WireName } from '../src/index.ts'
import {
  type Loose,
  type Reading,
  readAnthropic,
  readBedrock,
  readCohere,
  readGemini,
  readOllama,
  readOpenAi,
} from './readers.ts'
import { type Answer, type OpenCall, open } from './support.ts'

type Body = Record<string, unknown>

/** What a question may ask for beside its text, in no vendor's form. */
export interface Asked {
  readonly stream?: boolean
  readonly maxTokens?: number
  readonly stop?: readonly string[]
  /** Offers the tool `look`; `required` makes the model call it. */
  readonly tool?: 'offered' | 'required'
  readonly json?: boolean
  /** The beginning of the answer. */
  readonly prefix?: string
  readonly sim?: Body
  readonly model?: string
}

/** One wire as the tests speak it. */
export interface WireUnderTest {
  readonly title: string
  readonly wire: WireName
  readonly headers: Record<string, string>
  readonly path: (model: string, stream: boolean) => string
  readonly body: (asked: Asked) => Body
  readonly read: { readonly whole: (body: Loose) => Reading; readonly stream: (bytes: Buffer) => Reading }
  readonly errorMessage: (body: Loose) => string
  /** Its words for an end by itself, by length, by a stop sequence, by a tool call, by refusal, by a filter. */
  readonly ends: Readonly<Record<'stop' | 'length' | 'stopSequence' | 'tool' | 'refusal' | 'filter', string>>
  readonly continues: boolean
}

const schema = { type: 'object', properties: { city: { type: 'string' }, size: { type: 'integer' } } }
const openAiTool = { type: 'function', function: { name: 'look', parameters: schema } }
const openAiEnds = {
  stop: 'stop',
  length: 'length',
  stopSequence: 'stop',
  tool: 'tool_calls',
  refusal: 'stop',
  filter: 'content_filter',
}

function turns({ prefix }: Asked, more: Body = {}): Body[] {
  const question = { role: 'user', content: 'hi' }
  return prefix === undefined ? [question] : [question, { role: 'assistant', content: prefix, ...more }]
}

function openAiBody(asked: Asked): Body {
  const { stream = false, maxTokens, stop, tool, json, prefix, sim, model = 'm' } = asked
  return {
    model,
    stream,
    ...(stream ? { stream_options: { include_usage: true } } : {}),
    messages: turns(asked),
    ...(prefix === undefined ? {} : { continue_final_message: true, add_generation_prompt: false }),
    max_tokens: maxTokens,
    stop,
    ...(tool && { tools: [openAiTool], tool_choice: tool === 'required' ? 'required' : 'auto' }),
    ...(json && { response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }),
    sim,
  }
}

export const wires: readonly WireUnderTest[] = [
  {
    title: 'OpenAI',
    wire: 'openai',
    headers: {},
    path: () => '/v1/chat/completions',
    body: openAiBody,
    read: readOpenAi,
    errorMessage: ({ error }) => error.message,
    ends: openAiEnds,
    continues: true,
  },
  {
    title: 'DeepSeek beta',
    wire: 'openai',
    headers: {},
    path: () => '/beta/chat/completions',
    body: (asked) => {
      const { continue_final_message: _, add_generation_prompt: __, ...body } = openAiBody(asked)
      return { ...body, messages: turns(asked, { prefix: true }) }
    },
    read: readOpenAi,
    errorMessage: ({ error }) => error.message,
    ends: openAiEnds,
    continues: true,
  },
  {
    title: 'Azure',
    wire: 'azure',
    headers: { 'api-key': 'k' },
    path: (model) => `/openai/deployments/${model}/chat/completions?api-version=2024-10-21`,
    body: ({ model: _, ...asked }) => openAiBody(asked),
    read: readOpenAi,
    errorMessage: ({ error }) => error.message,
    ends: openAiEnds,
    continues: true,
  },
  {
    title: 'Ollama',
    wire: 'ollama',
    headers: {},
    path: () => '/api/chat',
    body: (asked) => ({
      model: asked.model ?? 'm',
      stream: asked.stream ?? false,
      messages: turns(asked),
      ...(asked.tool && { tools: [openAiTool] }),
      ...(asked.json && { format: schema }),
      options: { num_predict: asked.maxTokens, stop: asked.stop },
      sim: asked.sim,
    }),
    read: readOllama,
    errorMessage: ({ error }) => error,
    ends: { ...openAiEnds, tool: 'stop' },
    continues: true,
  },
  {
    title: 'Anthropic',
    wire: 'anthropic',
    headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' },
    path: () => '/v1/messages',
    body: (asked) => ({
      model: asked.model ?? 'm',
      stream: asked.stream ?? false,
      max_tokens: asked.maxTokens ?? 1_000,
      messages: turns(asked),
      stop_sequences: asked.stop,
      ...(asked.tool && {
        tools: [{ name: 'look', input_schema: schema }],
        tool_choice: { type: asked.tool === 'required' ? 'any' : 'auto' },
      }),
      ...(asked.json && { output_config: { format: { type: 'json_schema', schema } } }),
      sim: asked.sim,
    }),
    read: readAnthropic,
    errorMessage: ({ error }) => error.message,
    ends: {
      stop: 'end_turn',
      length: 'max_tokens',
      stopSequence: 'stop_sequence',
      tool: 'tool_use',
      refusal: 'refusal',
      filter: 'refusal',
    },
    continues: true,
  },
  {
    title: 'Gemini',
    wire: 'gemini',
    headers: { 'x-goog-api-key': 'k' },
    path: (model, stream) => `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: (asked) => ({
      contents: turns(asked).map(({ role, content }) => ({
        role: role === 'assistant' ? 'model' : role,
        parts: [{ text: content }],
      })),
      generationConfig: {
        maxOutputTokens: asked.maxTokens,
        stopSequences: asked.stop,
        ...(asked.json && { responseMimeType: 'application/json', responseJsonSchema: schema }),
      },
      ...(asked.tool && {
        tools: [{ functionDeclarations: [{ name: 'look', parameters: schema }] }],
        toolConfig: { functionCallingConfig: { mode: asked.tool === 'required' ? 'ANY' : 'AUTO' } },
      }),
      sim: asked.sim,
    }),
    read: readGemini,
    errorMessage: ({ error }) => error.message,
    ends: {
      stop: 'STOP',
      length: 'MAX_TOKENS',
      stopSequence: 'STOP',
      tool: 'STOP',
      refusal: 'SAFETY',
      filter: 'SAFETY',
    },
    continues: false,
  },
  {
    title: 'Cohere',
    wire: 'cohere',
    headers: { authorization: 'Bearer k' },
    path: () => '/v2/chat',
    body: (asked) => ({
      model: asked.model ?? 'm',
      stream: asked.stream ?? false,
      max_tokens: asked.maxTokens,
      messages: turns(asked),
      stop_sequences: asked.stop,
      ...(asked.tool && { tools: [openAiTool], ...(asked.tool === 'required' && { tool_choice: 'REQUIRED' }) }),
      ...(asked.json && { response_format: { type: 'json_object', json_schema: schema } }),
      sim: asked.sim,
    }),
    read: readCohere,
    errorMessage: ({ message }) => message,
    ends: {
      stop: 'COMPLETE',
      length: 'MAX_TOKENS',
      stopSequence: 'STOP_SEQUENCE',
      tool: 'TOOL_CALL',
      refusal: 'COMPLETE',
      filter: 'ERROR',
    },
    continues: false,
  },
  {
    title: 'Bedrock',
    wire: 'bedrock',
    headers: { authorization: 'Bearer k' },
    path: (model, stream) => `/model/${encodeURIComponent(model)}/${stream ? 'converse-stream' : 'converse'}`,
    body: (asked) => ({
      messages: turns(asked).map(({ role, content }) => ({ role, content: [{ text: content }] })),
      inferenceConfig: { maxTokens: asked.maxTokens, stopSequences: asked.stop },
      ...(asked.tool && {
        toolConfig: {
          tools: [{ toolSpec: { name: 'look', inputSchema: { json: schema } } }],
          toolChoice: asked.tool === 'required' ? { any: {} } : { auto: {} },
        },
      }),
      additionalModelRequestFields: {
        sim: asked.sim,
        ...(asked.json && { output_config: { format: { type: 'json_schema', schema } } }),
      },
    }),
    read: readBedrock,
    errorMessage: ({ message }) => message,
    ends: {
      stop: 'end_turn',
      length: 'max_tokens',
      stopSequence: 'stop_sequence',
      tool: 'tool_use',
      refusal: 'content_filtered',
      filter: 'content_filtered',
    },
    continues: true,
  },
]

/** Begins a call on a wire. */
export function openOn(wire: WireUnderTest, url: string, asked: Asked = {}): OpenCall {
  const { model = 'm', stream = false } = asked
  return open(url, wire.path(model, stream), wire.body(asked), { headers: wire.headers })
}

export function askOn(wire: WireUnderTest, url: string, asked: Asked = {}): Promise<Answer> {
  return openOn(wire, url, asked).answer
}

/** Asks on a wire and reads what comes; throws on what is no answer of that wire. */
export async function readOn(wire: WireUnderTest, url: string, asked: Asked = {}): Promise<Reading> {
  const { status, text, chunks } = await askOn(wire, url, asked)
  if (status !== 200) throw new Error(`${status}: ${text}`)
  return asked.stream === true ? wire.read.stream(Buffer.concat(chunks)) : wire.read.whole(JSON.parse(text))
}
