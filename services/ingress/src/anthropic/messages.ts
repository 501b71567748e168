import { blocksOf, cacheControl, contentOf, type Part, toParts } from './content.ts'
import { invalid, isObject, isVoid, type JsonObject, missing, requiredText, unsupported } from './fault.ts'

type ChatMessage = JsonObject

/** The system prompt and the turns of Anthropic's request as chat messages. Throws naming the block at fault. */
export function toChatMessages(system: unknown, messages: readonly JsonObject[]): readonly ChatMessage[] {
  return [
    ...systemMessages(system, 'system'),
    ...messages.flatMap((message, index) => turnMessages(message, `messages[${index}]`)),
  ]
}

function systemMessages(system: unknown, path: string): readonly ChatMessage[] {
  if (isVoid(system) || system === '') return []
  const parts = blocksOf(system, path).map((block, index): Part => {
    if (block['type'] !== 'text') throw unsupported(`${path}[${index}].type`, "must be 'text'")
    return { type: 'text', text: requiredText(block, 'text', `${path}[${index}]`), ...cacheControl(block) }
  })
  return parts.length === 0 ? [] : [{ role: 'system', content: contentOf(parts) }]
}

function turnMessages(message: JsonObject, path: string): readonly ChatMessage[] {
  const { role, content } = message
  const contentPath = `${path}.content`
  switch (role) {
    case 'system':
      return systemMessages(content, contentPath)
    case 'assistant':
      return assistantMessages(blocksOf(content, contentPath), contentPath)
    default:
      return userMessages(blocksOf(content, contentPath), contentPath)
  }
}

/** The results of tools first, wherever they stood: a chat wants them right after the calls. */
function userMessages(blocks: readonly JsonObject[], path: string): readonly ChatMessage[] {
  const results: ChatMessage[] = []
  const parts: Part[] = []
  for (const [index, block] of blocks.entries()) {
    const blockPath = `${path}[${index}]`
    if (block['type'] === 'tool_result') results.push(toolMessage(block, blockPath))
    else parts.push(...toParts(block, blockPath))
  }
  return parts.length === 0 && results.length > 0
    ? results
    : [...results, { role: 'user', content: parts.length === 0 ? '' : contentOf(parts) }]
}

/** A failure is marked as Anthropic does; where a wire has no place for the mark, the text tells it. */
function toolMessage(block: JsonObject, path: string): ChatMessage {
  const id = requiredText(block, 'tool_use_id', path)
  const { content, is_error: isError } = block
  if (!isVoid(isError) && typeof isError !== 'boolean') throw invalid(`${path}.is_error`, 'must be a boolean')
  const parts = isVoid(content)
    ? []
    : blocksOf(content, `${path}.content`).flatMap((inner, index) => toParts(inner, `${path}.content[${index}]`))
  const isText = parts.every(({ type }) => type === 'text')
  const marked = isVoid(block['cache_control']) ? parts.find((part) => part['cache_control'] !== undefined) : block
  return {
    role: 'tool',
    tool_call_id: id,
    content: isText ? parts.map(({ text }) => text).join('\n') : parts,
    ...(isError === true ? { is_error: true } : {}),
    ...(marked === undefined ? {} : cacheControl(marked)),
  }
}

interface AssistantTurn {
  readonly thinking: JsonObject[]
  readonly thoughts: string[]
  readonly parts: Part[]
  readonly calls: JsonObject[]
}

/**
 * One message, or several where thinking comes after something else: a signed thought has to go back in its place, and a
 * chat message has its thoughts at its beginning.
 */
function assistantMessages(blocks: readonly JsonObject[], path: string): readonly ChatMessage[] {
  const messages: ChatMessage[] = []
  let turn = newTurn()
  for (const [index, block] of blocks.entries()) {
    const blockPath = `${path}[${index}]`
    const isThought = block['type'] === 'thinking' || block['type'] === 'redacted_thinking'
    if (isThought && (turn.parts.length > 0 || turn.calls.length > 0)) {
      messages.push(assistantMessage(turn))
      turn = newTurn()
    }
    readAssistantBlock(block, blockPath, turn)
  }
  return [...messages, assistantMessage(turn)]
}

function newTurn(): AssistantTurn {
  return { thinking: [], thoughts: [], parts: [], calls: [] }
}

function readAssistantBlock(block: JsonObject, path: string, turn: AssistantTurn): void {
  switch (block['type']) {
    case 'text':
      turn.parts.push({ type: 'text', text: requiredText(block, 'text', path), ...cacheControl(block) })
      return
    case 'thinking': {
      const thinking = requiredText(block, 'thinking', path)
      const { signature } = block
      // Without a signature it is no Claude's, and no Claude takes it: to others it is their reasoning.
      if (typeof signature === 'string' && signature !== '')
        turn.thinking.push({ type: 'thinking', thinking, signature })
      if (thinking !== '') turn.thoughts.push(thinking)
      return
    }
    case 'redacted_thinking':
      turn.thinking.push({ type: 'redacted_thinking', data: requiredText(block, 'data', path) })
      return
    case 'tool_use':
      turn.calls.push(toolCall(block, path))
      return
    default:
      throw unsupported(
        `${path}.type`,
        "must be one of 'text', 'thinking', 'redacted_thinking', 'tool_use' in a turn of the assistant",
      )
  }
}

function toolCall(block: JsonObject, path: string): JsonObject {
  const { input } = block
  if (isVoid(input)) throw missing(`${path}.input`)
  if (!isObject(input)) throw invalid(`${path}.input`, 'must be an object')
  return {
    id: requiredText(block, 'id', path),
    type: 'function',
    function: { name: requiredText(block, 'name', path), arguments: JSON.stringify(input) },
    ...cacheControl(block),
  }
}

function assistantMessage({ thinking, thoughts, parts, calls }: AssistantTurn): ChatMessage {
  const isSilent = parts.length === 0 && calls.length > 0
  return {
    role: 'assistant',
    content: isSilent ? null : parts.length === 0 ? '' : contentOf(parts),
    ...(thoughts.length === 0 ? {} : { reasoning_content: thoughts.join('\n') }),
    ...(thinking.length === 0 ? {} : { thinking_blocks: thinking }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
}
