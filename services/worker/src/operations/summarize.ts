import type { SummarizationRequest, TokenUsage } from '@inferq/contracts'
import type { CompletionSink } from '@inferq/providers'
import type { Operation, OperationContext } from './operation.ts'
import { estimateTokens, instructions, splitText, textOfRequest } from './summary-text.ts'

const defaultMaxWords = 200
/** A window that every current model has, for deployments that do not say theirs. */
const defaultContextWindow = 8_192
/** Tokens of the instructions, and of the chat template around them. */
const promptTokens = 400
/** Words are about three quarters of a token each; the rest is room for other languages. */
const tokensPerWord = 2.5
/** Parts summarized at once by one job. */
const mapConcurrency = 4
/** Each round makes the text shorter; a model that does not summarize must not keep us here. */
const maxRounds = 5
/** Estimates of tokens are rough: stay clear of the window's edge. */
const safety = 0.8

/**
 * A text that fits the context window is summarized in one streamed call. A longer one is cut into parts, these are
 * summarized (`map`), and their summaries merged (`reduce`), in rounds until they fit; only the last call is streamed.
 */
export const summarize: Operation = async (context) => {
  const request = context.spec.request as SummarizationRequest
  const maxWords = request.max_words ?? defaultMaxWords
  const answerTokens = Math.ceil(maxWords * tokensPerWord)
  const window = context.contextWindow ?? defaultContextWindow
  const room = Math.max(64, Math.floor((window - promptTokens - answerTokens) * safety))
  const usage = createUsageSum()

  let text = textOfRequest(request)
  let parts = 1
  let stage: 'whole' | 'reduce' = 'whole'
  for (let round = 0; estimateTokens(text) > room && round < maxRounds; round++) {
    const pieces = splitText(text, room)
    if (round === 0) parts = pieces.length
    const wordsPerPart = Math.max(30, Math.floor((room / pieces.length / tokensPerWord) * safety))
    const partWords = Math.min(maxWords, wordsPerPart)
    const summaries = await mapParts(context, pieces, instructions(request, 'map', partWords), partWords, usage)
    text = summaries.join('\n\n')
    stage = 'reduce'
  }
  if (stage === 'reduce') context.writer.progress({ stage: 'reduce', done: parts, total: parts })
  const summary = await streamSummary(context, text, instructions(request, stage, maxWords), answerTokens, usage)
  return {
    kind: 'answer',
    usage: usage.total(),
    finishReason: 'stop',
    result: { object: 'summary', model: context.spec.model, summary, parts },
  }
}

async function mapParts(
  context: OperationContext,
  pieces: readonly string[],
  system: string,
  maxWords: number,
  usage: UsageSum,
): Promise<readonly string[]> {
  const { spec, provider, upstreamModel, signal, writer } = context
  const summaries: string[] = new Array(pieces.length).fill('')
  // One failure ends the others: their work would be lost anyway.
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  let next = 0
  let done = 0
  writer.progress({ stage: 'map', done, total: pieces.length })
  const lane = async (): Promise<void> => {
    for (let i = next++; i < pieces.length; i = next++) {
      const request = chatRequest(system, pieces[i] ?? '', Math.ceil(maxWords * tokensPerWord))
      const answer = createTextSink()
      const call = { request, stream: true, signal: either, requestId: spec.requestId, model: upstreamModel }
      const outcome = await provider.chat(call, answer)
      usage.add(outcome.usage)
      summaries[i] = answer.taken()
      writer.progress({ stage: 'map', done: ++done, total: pieces.length })
    }
  }
  const lanes = Array.from({ length: Math.min(mapConcurrency, pieces.length) }, () =>
    lane().catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  const results = await Promise.allSettled(lanes)
  if (failed.signal.aborted) throw failed.signal.reason
  for (const result of results) if (result.status === 'rejected') throw result.reason
  return summaries
}

async function streamSummary(
  context: OperationContext,
  text: string,
  system: string,
  maxTokens: number,
  usage: UsageSum,
): Promise<string> {
  const { spec, provider, upstreamModel, signal, writer, onFirstToken } = context
  const answer = createTextSink()
  let isFirst = true
  const request = chatRequest(system, text, maxTokens)
  const outcome = await provider.chat(
    { request, stream: true, signal, requestId: spec.requestId, model: upstreamModel },
    {
      text(part) {
        if (isFirst) onFirstToken()
        isFirst = false
        answer.text(part)
        writer.text(part)
      },
      deltas: () => {},
    },
  )
  usage.add(outcome.usage)
  return answer.taken()
}

function chatRequest(system: string, text: string, maxTokens: number): Readonly<Record<string, unknown>> {
  return {
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: text },
    ],
    max_tokens: maxTokens,
  }
}

/** The text of an answer; reasoning and finish reasons are no part of a summary. */
function createTextSink(): CompletionSink & { taken(): string } {
  let taken = ''
  return {
    text(part) {
      taken += part
    },
    deltas: () => {},
    taken: () => taken.trim(),
  }
}

interface UsageSum {
  add(usage: TokenUsage): void
  total(): TokenUsage
}

function createUsageSum(): UsageSum {
  let promptSum = 0
  let completionSum = 0
  let estimated = false
  return {
    add(usage) {
      promptSum += usage.promptTokens
      completionSum += usage.completionTokens
      estimated ||= usage.estimated === true
    },
    total: () => ({
      promptTokens: promptSum,
      completionTokens: completionSum,
      ...(estimated ? { estimated: true as const } : {}),
    }),
  }
}
