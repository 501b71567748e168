import type { ChoiceDelta } from '@inferq/contracts'
import { type CompletionState, remainder } from './completion-state.ts'
import { isObject, isVoid, type JsonObject, malformed } from './json.ts'
import { parseUsage } from './usage.ts'

const role: ReadonlySet<string> = new Set(['role'])
const knownChoiceKeys: ReadonlySet<string> = new Set(['index', 'delta', 'text', 'finish_reason', 'logprobs'])

/** One chunk of a stream in OpenAI's shape, into the state; the hot path of the package. */
export function readChunk(chunk: JsonObject, operation: 'chat' | 'text', state: CompletionState): void {
  // Some send it with every chunk, the running total: the last one counts.
  if (chunk['usage'] !== undefined && chunk['usage'] !== null) state.usage = parseUsage(chunk['usage']) ?? state.usage
  const { choices } = chunk
  if (!Array.isArray(choices)) {
    if (choices === undefined || choices === null) return
    throw malformed('The upstream sent a chunk whose choices are not a list.')
  }
  for (const choice of choices) {
    if (!isObject(choice)) throw malformed('The upstream sent a choice that is not an object.')
    if (operation === 'chat') readChatChoice(choice, state)
    else readTextChoice(choice, state)
  }
  state.flush()
}

function readChatChoice(choice: JsonObject, state: CompletionState): void {
  const index = state.choice(choice['index'])
  const delta = isObject(choice['delta']) ? choice['delta'] : {}
  const { content } = delta
  if (index === 0 && typeof content === 'string' && isVoid(choice['logprobs']) && isPlain(delta)) {
    if (content !== '') state.text(content)
    readRest(choice, index, undefined, state)
    return
  }
  const rest = remainder(delta, role)
  // An empty text beside something else is how every server opens a call of a tool.
  if (rest !== undefined && rest['content'] === '') delete rest['content']
  readRest(choice, index, isVoid(rest) ? undefined : { delta: rest as JsonObject }, state)
}

function readTextChoice(choice: JsonObject, state: CompletionState): void {
  const index = state.choice(choice['index'])
  const text = typeof choice['text'] === 'string' ? choice['text'] : ''
  if (index === 0 && isVoid(choice['logprobs'])) {
    if (text !== '') state.text(text)
    readRest(choice, index, undefined, state)
    return
  }
  readRest(choice, index, text === '' ? undefined : { text }, state)
}

/** True when nothing but `content` and `role` says anything. */
function isPlain(delta: JsonObject): boolean {
  for (const key in delta) {
    if (key !== 'content' && key !== 'role' && !isVoid(delta[key])) return false
  }
  return true
}

/** Everything of a choice but its plain text: what was found in the delta, log probabilities, the end, unknown fields. */
function readRest(
  choice: JsonObject,
  index: number,
  content: Pick<ChoiceDelta, 'delta' | 'text'> | undefined,
  state: CompletionState,
): void {
  const finishReason = typeof choice['finish_reason'] === 'string' ? choice['finish_reason'] : undefined
  const logprobs = isVoid(choice['logprobs']) ? undefined : { logprobs: choice['logprobs'] }
  const unknown = hasOnlyKnownKeys(choice) ? undefined : remainder(choice, knownChoiceKeys)
  if (finishReason !== undefined) state.finish(index, finishReason)
  else if (content === undefined && logprobs === undefined && unknown === undefined) return
  state.delta({
    index,
    ...content,
    ...logprobs,
    ...(finishReason === undefined ? {} : { finish_reason: finishReason }),
    ...unknown,
  })
}

function hasOnlyKnownKeys(choice: JsonObject): boolean {
  for (const key in choice) if (!knownChoiceKeys.has(key)) return false
  return true
}
