import type { Operation } from '@inferq/contracts'
import { estimateTokenCount } from 'tokenx'

/** How much a request gives a model to read. Estimates are made when asked for, and once. */
export interface PromptSize {
  /** Everything that is read, over all prompts of the request. */
  total(): TokenEstimate
  /** The longest single prompt: what has to fit into a context window. An embeddings request is one prompt for each input. */
  longest(): TokenEstimate
  /** Never below `longest().tokens`, and had without estimating. */
  readonly upperBound: number
  /** Of everything that is read, by its length alone: right for English prose, within a factor of four for anything. */
  readonly roughTokens: number
}

export interface TokenEstimate {
  readonly tokens: number
  /** Extrapolated from parts of a long text. */
  readonly sampled: boolean
}

/** The estimate takes some 30 ns a character: of a text longer than this, so much is looked at, in equal distances. */
const exactCharacters = 2048
const sampledCharacters = 1024
const sliceCharacters = 128

/** Around each message of a chat (https://github.com/openai/openai-cookbook, How_to_count_tokens_with_tiktoken). */
const tokensPerMessage = 4

/**
 * An image of 1024 × 1024 in high and any image in low detail (https://platform.openai.com/docs/guides/images-vision).
 * Its true size is not known before somebody has fetched it. Audio and files count nothing.
 */
const tokensPerImage = 765
const tokensPerLowDetailImage = 85

const charactersPerToken = 4

/** Deeper than any request that is valid. */
const maxDepth = 8

/** One prompt: its texts, and tokens that need no estimate. */
interface Part {
  readonly texts: string[]
  characters: number
  tokens: number
}

/** Tokens of `messages`, `prompt`, `input` and `text`, whichever the request has. */
export function createPromptSize(operation: Operation, body: Readonly<Record<string, unknown>>): PromptSize {
  const parts = readParts(operation, body)
  let longestPart = parts[0] ?? newPart()
  for (const part of parts) if (bound(part) > bound(longestPart)) longestPart = part
  let longest: TokenEstimate | undefined
  let total: TokenEstimate | undefined
  const estimateLongest = (): TokenEstimate => {
    longest ??= estimate(longestPart)
    return longest
  }
  return {
    upperBound: bound(longestPart),
    roughTokens: rough(parts),
    longest: estimateLongest,
    total() {
      total ??= parts.length > 1 ? estimate(joined(parts)) : estimateLongest()
      return total
    },
  }
}

/** Of everything the request makes a model read. A long text is sampled, so this takes some 0.1 ms at most. */
export function estimatePromptTokens(body: Readonly<Record<string, unknown>>): number {
  return createPromptSize('chat', body).total().tokens
}

/** No text has more tokens than UTF-16 units by tokenx's rules. */
function bound(part: Part): number {
  return part.characters + part.tokens
}

/** English has about four characters a token (https://platform.openai.com/tokenizer). */
function rough(parts: readonly Part[]): number {
  let characters = 0
  let tokens = 0
  for (const part of parts) {
    characters += part.characters
    tokens += part.tokens
  }
  return Math.ceil(characters / charactersPerToken) + tokens
}

function newPart(): Part {
  return { texts: [], characters: 0, tokens: 0 }
}

function joined(parts: readonly Part[]): Part {
  const all = newPart()
  for (const part of parts) {
    for (const text of part.texts) all.texts.push(text)
    all.characters += part.characters
    all.tokens += part.tokens
  }
  return all
}

function readParts(operation: Operation, body: Readonly<Record<string, unknown>>): Part[] {
  const several = operation === 'embeddings' ? body['input'] : operation === 'text' ? body['prompt'] : undefined
  if (Array.isArray(several) && typeof several[0] !== 'number') {
    return several.map((item) => {
      const part = newPart()
      read(item, part, 0)
      return part
    })
  }
  const part = newPart()
  for (const value of [body['prompt'], body['input'], body['text'], body['messages']]) read(value, part, 0)
  if (Array.isArray(body['messages'])) part.tokens += tokensPerMessage * body['messages'].length
  if (Array.isArray(body['tools'])) addText(part, JSON.stringify(body['tools']))
  return [part]
}

function addText(part: Part, text: string): void {
  part.texts.push(text)
  part.characters += text.length
}

function read(value: unknown, part: Part, depth: number): void {
  if (typeof value === 'string') addText(part, value)
  // A token, of a prompt or an input that came as tokens.
  else if (typeof value === 'number') part.tokens += 1
  else if (typeof value !== 'object' || value === null || depth > maxDepth) return
  else if (Array.isArray(value)) for (const item of value) read(item, part, depth + 1)
  else readObject(value as Readonly<Record<string, unknown>>, part, depth)
}

/** A message, or a part of its content. */
function readObject(value: Readonly<Record<string, unknown>>, part: Part, depth: number): void {
  const type = value['type']
  if (type === 'image_url' || type === 'input_image' || type === 'image') {
    const image = value['image_url']
    const detail = (typeof image === 'object' && image !== null && 'detail' in image && image.detail) || value['detail']
    part.tokens += detail === 'low' ? tokensPerLowDetailImage : tokensPerImage
    return
  }
  read(value['text'], part, depth + 1)
  read(value['content'], part, depth + 1)
  if (Array.isArray(value['tool_calls'])) addText(part, JSON.stringify(value['tool_calls']))
}

function estimate(part: Part): TokenEstimate {
  if (part.characters <= exactCharacters) {
    let { tokens } = part
    for (const text of part.texts) tokens += estimateTokenCount(text)
    return { tokens, sampled: false }
  }
  const { tokens, characters } = estimateSlices(part)
  const share = Math.min(part.characters, Math.ceil((tokens / characters) * part.characters))
  return { tokens: part.tokens + share, sampled: true }
}

/** Slices in equal distances over all texts, as if they were one. */
function estimateSlices(part: Part): { readonly tokens: number; readonly characters: number } {
  const distance = (part.characters / sampledCharacters) * sliceCharacters
  let next = 0
  let before = 0
  let tokens = 0
  let characters = 0
  for (const text of part.texts) {
    const after = before + text.length
    while (next < after) {
      const start = Math.floor(next - before)
      const slice = text.slice(start, start + sliceCharacters)
      // A slice that begins within a word counts a part of it as a token too many: half a time, on the whole.
      tokens += estimateTokenCount(slice) - (start > 0 ? 0.5 : 0)
      characters += slice.length
      next += distance
    }
    before = after
  }
  return { tokens, characters }
}

/** The longest answer the client allows; undefined where it says nothing. */
export function requestedMaxTokens(body: Readonly<Record<string, unknown>>): number | undefined {
  for (const value of [body['max_completion_tokens'], body['max_tokens']]) {
    if (typeof value === 'number' && value > 0) return value
  }
  return undefined
}
