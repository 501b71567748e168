import { randomUUID } from 'node:crypto'
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
} from '@ai-sdk/provider'
import { InferqError } from '@inferq/contracts'
import type { CompletionState } from '../completion-state.ts'
import type { JsonObject } from '../json.ts'
import { sdkError } from './errors.ts'
import { toFinishReason, toReportedUsage } from './finish.ts'

/** Reads an answer's parts into the state, in OpenAI's shape, as they come. */
export interface AnswerReader {
  /** A part of a stream. Throws what an error part stands for. */
  part(part: LanguageModelV4StreamPart): void
  /** All of a whole answer. */
  whole(content: readonly LanguageModelV4Content[]): void
  /** The answer is complete. Throws when it only seems so, or when it is none: `content_filter`. */
  finish(reason: LanguageModelV4FinishReason, usage: LanguageModelV4Usage, metadata?: SharedV4ProviderMetadata): void
}

export function createAnswerReader(
  operation: 'chat' | 'text',
  state: CompletionState,
  options: { readonly secrets: readonly string[]; readonly afterPrefix?: string },
): AnswerReader {
  const calls = new Map<string, { readonly index: number; argued: boolean }>()
  const thoughts = new Map<string, Thought>()
  const trim = createPrefixTrimmer(options.afterPrefix ?? '')

  const delta = (delta: JsonObject): void => {
    // A text completion has a place for text alone; that the model is at work counts all the same.
    state.started = true
    if (operation === 'text') return
    state.delta({ index: 0, delta })
    state.flush()
  }
  const text = (piece: string): void => {
    const rest = trim(piece)
    if (rest !== '') state.text(rest)
  }
  const beginCall = (id: string, name: string, metadata: SharedV4ProviderMetadata | undefined): void => {
    const index = calls.size
    calls.set(id, { index, argued: false })
    const call = { index, id, type: 'function', function: { name, arguments: '' }, ...googleExtra(metadata) }
    delta({ tool_calls: [call] })
  }
  const argue = (id: string, piece: string): void => {
    const call = calls.get(id)
    if (call === undefined || piece === '') return
    call.argued = true
    delta({ tool_calls: [{ index: call.index, function: { arguments: piece } }] })
  }
  const think = (id: string, piece: string, metadata: SharedV4ProviderMetadata | undefined): void => {
    const thought = thoughts.get(id) ?? { text: '' }
    thoughts.set(id, thought)
    thought.text += piece
    Object.assign(thought, proofOf(metadata))
    if (piece !== '') delta({ reasoning_content: piece })
  }
  const endThought = (id: string): void => {
    const block = thinkingBlock(thoughts.get(id))
    thoughts.delete(id)
    if (block !== undefined) delta({ thinking_blocks: [block] })
  }

  const content = (part: LanguageModelV4Content): void => {
    switch (part.type) {
      case 'text':
        text(part.text)
        return
      case 'reasoning': {
        const id = randomUUID()
        think(id, part.text, part.providerMetadata)
        endThought(id)
        return
      }
      case 'tool-call':
        // Called by the upstream itself, which has its answer already.
        if (part.providerExecuted === true) return
        if (!calls.has(part.toolCallId)) beginCall(part.toolCallId, part.toolName, part.providerMetadata)
        // A call without arguments streams none.
        if (calls.get(part.toolCallId)?.argued === false) argue(part.toolCallId, part.input)
        return
      case 'file':
        delta({ images: [{ type: 'image_url', image_url: { url: addressOf(part) } }] })
        return
      case 'source':
        if (part.sourceType === 'url') {
          const { url, title } = part
          delta({
            annotations: [{ type: 'url_citation', url_citation: { url, ...(title === undefined ? {} : { title }) } }],
          })
        }
        return
      case 'reasoning-file':
      case 'custom':
      case 'tool-result':
      case 'tool-approval-request':
        return
      default:
        unknownPart(part)
    }
  }

  return {
    part(part) {
      switch (part.type) {
        case 'text-delta':
          text(part.delta)
          return
        case 'reasoning-start':
          think(part.id, '', part.providerMetadata)
          return
        case 'reasoning-delta':
          think(part.id, part.delta, part.providerMetadata)
          return
        case 'reasoning-end':
          think(part.id, '', part.providerMetadata)
          endThought(part.id)
          return
        case 'tool-input-start':
          if (part.providerExecuted !== true) beginCall(part.id, part.toolName, part.providerMetadata)
          return
        case 'tool-input-delta':
          argue(part.id, part.delta)
          return
        case 'error':
          throw sdkError(part.error, options.secrets)
        case 'finish':
          this.finish(part.finishReason, part.usage, part.providerMetadata)
          return
        case 'text-start':
        case 'text-end':
        case 'tool-input-end':
        case 'stream-start':
        case 'response-metadata':
        case 'ping':
        case 'raw':
          return
        default:
          content(part)
      }
    },
    whole(parts) {
      for (const part of parts) content(part)
    },
    finish(reason, usage, metadata) {
      const finishReason = toFinishReason(reason, calls.size > 0)
      if (finishReason === 'content_filter' && !state.started) {
        // Nothing was shown: for the client, and for a fallback, this is a refused request, not an answer.
        throw new InferqError({
          code: 'content_filter',
          message: 'The upstream refused to answer for reasons of safety.',
          ...(reason.raw === undefined ? {} : { upstream: { code: reason.raw } }),
        })
      }
      state.finish(0, finishReason)
      state.delta({ index: 0, finish_reason: finishReason, ...stopReason(metadata) })
      state.usage = toReportedUsage(usage)
      state.ended = true
      state.flush()
    },
  }
}

interface Thought {
  text: string
  signature?: unknown
  redactedData?: unknown
}

/** What proves a thought to be the model's own, under whichever name the SDK of Anthropic or Bedrock keeps it. */
function proofOf(metadata: SharedV4ProviderMetadata | undefined): Partial<Thought> {
  const { signature, redactedData, redactedContent } = { ...metadata?.['bedrock'], ...metadata?.['anthropic'] }
  const redacted = redactedData ?? redactedContent
  return {
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redactedData: redacted }),
  }
}

/** As LiteLLM hands them on, to be given back with the results of tools. */
function thinkingBlock(thought: Thought | undefined): JsonObject | undefined {
  if (typeof thought?.signature === 'string') {
    return { type: 'thinking', thinking: thought.text, signature: thought.signature }
  }
  if (typeof thought?.redactedData === 'string') return { type: 'redacted_thinking', data: thought.redactedData }
  return undefined
}

/** The stop sequence that Claude met, under vLLM's name for it. */
function stopReason(metadata: SharedV4ProviderMetadata | undefined): { readonly stop_reason?: string } {
  const { stopSequence } = { ...metadata?.['bedrock'], ...metadata?.['anthropic'] }
  return typeof stopSequence === 'string' ? { stop_reason: stopSequence } : {}
}

/** As Google's OpenAI endpoint does: Gemini wants the signature back with the call. */
function googleExtra(metadata: SharedV4ProviderMetadata | undefined): JsonObject {
  const signature = metadata?.['google']?.['thoughtSignature']
  return typeof signature === 'string' ? { extra_content: { google: { thought_signature: signature } } } : {}
}

function addressOf(file: Extract<LanguageModelV4Content, { type: 'file' }>): string {
  if (file.data.type === 'url') return file.data.url.toString()
  const { data } = file.data
  return `data:${file.mediaType};base64,${typeof data === 'string' ? data : Buffer.from(data).toString('base64')}`
}

/**
 * A given beginning goes to the wire without the white space at its end, which Anthropic refuses; the model then begins with
 * it. What the reader has already is taken off again.
 */
function createPrefixTrimmer(prefix: string): (piece: string) => string {
  let known = prefix.slice(prefix.trimEnd().length)
  return (piece) => {
    let rest = piece
    while (known !== '' && rest !== '') {
      if (rest[0] !== known[0]) {
        known = ''
        break
      }
      rest = rest.slice(1)
      known = known.slice(1)
    }
    return rest
  }
}

function unknownPart(part: never): void {
  // A kind of part a newer SDK knows: nothing the client asked for.
  void part
}
