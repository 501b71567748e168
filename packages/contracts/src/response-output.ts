/** An item of a response's input or output, in OpenAI's shape. */
export type ResponseItem = Readonly<Record<string, unknown>>

/** `job_01…` ↔ `resp_01…`: a response and the job that makes it have one ending. */
export function responseIdOf(jobId: string): string {
  return `resp_${endingOf(jobId)}`
}

/** Null for what is no id of a response. */
export function jobIdOfResponse(responseId: string): string | null {
  const match = /^resp_([0-9a-z]{1,60})$/.exec(responseId)
  return match === null ? null : `job_${match[1]}`
}

const itemPrefixes = { message: 'msg', reasoning: 'rs', function_call: 'fc', function_call_output: 'fco' } as const
export type ResponseItemType = keyof typeof itemPrefixes

/**
 * Ids of items follow from the job and their place, so that an answer, a stream and a replay agree: `msg_<job>_0`; items of
 * the input have an `i` before the number.
 */
export function outputItemId(type: ResponseItemType, jobId: string, place: number): string {
  return `${itemPrefixes[type]}_${endingOf(jobId)}_${place}`
}

export function inputItemId(type: string, jobId: string, place: number): string {
  const prefix = type in itemPrefixes ? itemPrefixes[type as ResponseItemType] : 'item'
  return `${prefix}_${endingOf(jobId)}_i${place}`
}

/** The job whose response has an item of this id; null for ids that are not ours. */
export function jobIdOfItem(itemId: string): string | null {
  const match = /^(?:msg|rs|fc|fco|item)_([0-9a-z]{1,60})_i?\d{1,6}$/.exec(itemId)
  return match === null ? null : `job_${match[1]}`
}

/** What became of a call that the upstream gave no id: the answer to it has to name it. */
export function functionCallId(jobId: string, place: number): string {
  return `call_${endingOf(jobId)}_${place}`
}

export type ReasoningForm = 'content' | 'summary'
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

/** What was thought, and the blocks by which some upstreams prove it to be theirs when it comes back. */
export interface Reasoning {
  readonly text: string
  readonly blocks: readonly unknown[]
}

/** Backends give their reasoning and no summary of it: who asks for a summary gets it as that, others as what it is. */
export function reasoningItem(
  jobId: string,
  { text, blocks }: Reasoning,
  form: ReasoningForm,
  status: ItemStatus,
): ResponseItem {
  const proof = blocks.length === 0 ? {} : { encrypted_content: sealBlocks(blocks) }
  const base = { id: outputItemId('reasoning', jobId, 0), type: 'reasoning', ...proof }
  if (form === 'summary') return { ...base, summary: text === '' ? [] : [{ type: 'summary_text', text }], status }
  return { ...base, summary: [], content: text === '' ? [] : [{ type: 'reasoning_text', text }], status }
}

export function messageItem(jobId: string, content: readonly object[], status: ItemStatus): ResponseItem {
  return { id: outputItemId('message', jobId, 0), type: 'message', status, role: 'assistant', content }
}

export function textPart(text: string, logprobs: readonly unknown[] = [], annotations: readonly object[] = []): object {
  return { type: 'output_text', text, annotations, logprobs }
}

/** Citations of a chat completion in the words of a response. */
export function annotationsOf(message: Readonly<Record<string, unknown>>): readonly object[] {
  const { annotations } = message
  if (!Array.isArray(annotations)) return []
  return annotations.map(objectOf).flatMap((annotation) => {
    const cited = objectOf(annotation['url_citation'])
    if (annotation['type'] !== 'url_citation' || typeof cited['url'] !== 'string') return []
    return [{ type: 'url_citation', start_index: 0, end_index: 0, title: '', ...cited }]
  })
}

export interface FunctionCall {
  readonly callId: string
  readonly name: string
  readonly arguments: string
  /** By which some upstreams know a call as theirs when it comes back, as Google's OpenAI endpoint has it. */
  readonly extraContent?: unknown
}

export function functionCallItem(jobId: string, place: number, call: FunctionCall, status: ItemStatus): ResponseItem {
  const { extraContent } = call
  return {
    id: outputItemId('function_call', jobId, place),
    type: 'function_call',
    status,
    call_id: call.callId,
    name: call.name,
    arguments: call.arguments,
    ...(extraContent === undefined ? {} : { extra_content: extraContent }),
  }
}

/** The output items of a chat completion, always in this order: reasoning, message, calls. */
export function responseOutput(jobId: string, result: unknown, form: ReasoningForm, isWhole: boolean): ResponseItem[] {
  const choice = firstChoice(result)
  const message = objectOf(choice['message'])
  const status = isWhole ? 'completed' : 'incomplete'
  const items: ResponseItem[] = []
  const reasoning = reasoningOf(message)
  const text = textOf(message['content'])
  const refusal = stringOf(message['refusal'])
  const calls = Array.isArray(message['tool_calls']) ? message['tool_calls'] : []
  const blocks = blocksOf(message)
  if (reasoning !== '' || blocks.length > 0) {
    items.push(reasoningItem(jobId, { text: reasoning, blocks }, form, 'completed'))
  }
  if (text !== '' || refusal !== '' || calls.length === 0) {
    const logprobs = objectOf(choice['logprobs'])['content']
    const content = [
      ...(text !== '' || refusal === ''
        ? [textPart(text, Array.isArray(logprobs) ? logprobs : [], annotationsOf(message))]
        : []),
      ...(refusal === '' ? [] : [{ type: 'refusal', refusal }]),
    ]
    items.push(messageItem(jobId, content, status))
  }
  for (const [place, call] of calls.entries()) {
    const called = objectOf(objectOf(call)['function'])
    const callId = stringOf(objectOf(call)['id']) || functionCallId(jobId, place)
    const argumentsText = stringOf(called['arguments'])
    const { extra_content: extraContent } = objectOf(call)
    items.push(
      functionCallItem(
        jobId,
        place,
        { callId, name: stringOf(called['name']), arguments: argumentsText, extraContent },
        status,
      ),
    )
  }
  return items
}

export function blocksOf(message: Readonly<Record<string, unknown>>): readonly unknown[] {
  const { thinking_blocks: blocks } = message
  return Array.isArray(blocks) ? blocks : []
}

const sealPrefix = 'inferq1.'

/** The blocks are opaque to clients; they are no secret: the upstream has signed or sealed them itself. */
function sealBlocks(blocks: readonly unknown[]): string {
  return sealPrefix + Buffer.from(JSON.stringify(blocks)).toString('base64url')
}

/** Blocks that came with an earlier response; none for content that is not ours. */
export function openBlocks(encryptedContent: unknown): readonly unknown[] {
  if (typeof encryptedContent !== 'string' || !encryptedContent.startsWith(sealPrefix)) return []
  try {
    const blocks: unknown = JSON.parse(Buffer.from(encryptedContent.slice(sealPrefix.length), 'base64url').toString())
    return Array.isArray(blocks) ? blocks : []
  } catch {
    return []
  }
}

/** Under either of the names that backends have for it. */
export function reasoningOf(message: Readonly<Record<string, unknown>>): string {
  return stringOf(message['reasoning_content']) || stringOf(message['reasoning'])
}

function endingOf(jobId: string): string {
  return jobId.slice(jobId.indexOf('_') + 1)
}

function firstChoice(result: unknown): Readonly<Record<string, unknown>> {
  const { choices } = objectOf(result)
  if (!Array.isArray(choices)) return {}
  return objectOf(choices.find((choice) => (objectOf(choice)['index'] ?? 0) === 0) ?? choices[0])
}

/** Some give the text in parts. */
function textOf(content: unknown): string {
  if (!Array.isArray(content)) return stringOf(content)
  return content.map((part) => stringOf(objectOf(part)['text'])).join('')
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {}
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
