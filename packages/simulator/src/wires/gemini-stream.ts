import type { RequestError } from '../errors.ts'
import type { Piece, Plan, PlannedChoice } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import type { Script } from '../script.ts'
import { type Block, blocksOf, parsedArguments } from './blocks.ts'
import { geminiErrorBody } from './gemini-errors.ts'
import type { GeminiRequest } from './gemini-request.ts'
import { eventStreamType, jsonType, logprobOf } from './openai-common.ts'
import { countsOf, less } from './token-counts.ts'

/** How an answer is sent: whole, as server-sent events (`alt=sse`), or as a JSON array that grows. */
export type GeminiForm = 'whole' | 'events' | 'array'

const blockedRatings = [{ category: 'HARM_CATEGORY_DANGEROUS_CONTENT', probability: 'HIGH', blocked: true }]

/** A plan as GenerateContentResponse, one or many. */
export class GeminiEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  // Google's servers send their head with the first chunk.
  readonly headFirst = false
  readonly #form: GeminiForm
  readonly #request: GeminiRequest
  readonly #plan: Plan
  readonly #script: Script
  readonly #id: string
  #chunks = 0
  #said = 0
  #thought = 0

  constructor(form: GeminiForm, request: GeminiRequest, plan: Plan, script: Script, sequence: number) {
    this.stream = form !== 'whole'
    this.contentType = form === 'events' ? eventStreamType : jsonType
    this.#form = form
    this.#request = request
    this.#plan = plan
    this.#script = script
    this.#id = `sim${sequence}`
  }

  opening(): string {
    return ''
  }

  step(index: number): string {
    const candidates: unknown[] = []
    for (const [choiceIndex, choice] of this.#plan.choices.entries()) {
      const piece = choice.pieces[index]
      if (piece === undefined) continue
      this.#said += 1
      if (piece.kind === 'reasoning') this.#thought += 1
      const parts = partsAt(choice, index)
      if (parts.length === 0) continue
      candidates.push({ content: { parts, role: 'model' }, index: choiceIndex, ...this.#logprobs([piece]) })
    }
    return candidates.length === 0 ? '' : this.#chunk({ candidates, ...this.#usage(false) })
  }

  closing(): string {
    const end = this.#chunk(this.#end(({ parts }) => (parts.length === 0 ? [] : [{ text: '' }])))
    return this.#form === 'array' ? `${end}]` : end
  }

  whole(): string {
    return JSON.stringify({ ...this.#end(({ parts }) => parts), ...this.#tail() })
  }

  malformed(): string {
    const broken = '{"candidates": [{"content": {"parts": [{"te'
    return this.#form === 'array' ? `${this.#separator()}${broken}` : `data: ${broken}\r\n\r\n`
  }

  failure(error: RequestError): string {
    const body = geminiErrorBody(error)
    return this.#form === 'array' ? `${this.#separator()}${body}]` : `data: ${body}\r\n\r\n`
  }

  #chunk(response: Readonly<Record<string, unknown>>): string {
    const json = JSON.stringify({ ...response, ...this.#tail() })
    return this.#form === 'array' ? `${this.#separator()}${json}` : `data: ${json}\r\n\r\n`
  }

  #separator(): string {
    this.#chunks += 1
    return this.#chunks === 1 ? '[' : ',\r\n'
  }

  #tail() {
    return { modelVersion: this.#request.model, responseId: this.#id }
  }

  /** The end of the answer with those parts of it that are still to be said; or what stands for a blocked prompt. */
  #end(partsLeft: (all: { readonly parts: readonly unknown[] }) => readonly unknown[]) {
    const usage = this.#usage(true)
    if (this.#plan.blocked === true) {
      return { promptFeedback: { blockReason: 'SAFETY', safetyRatings: blockedRatings }, ...usage }
    }
    const candidates = this.#plan.choices.map((choice, index) => {
      const parts = partsLeft({ parts: blocksOf(choice).flatMap(partOf) })
      const finishReason = finishReasonOf(choice)
      return {
        // A candidate stopped for safety has no content at all.
        ...(parts.length === 0 && choice.refused === true ? {} : { content: { parts, role: 'model' } }),
        finishReason,
        index,
        ...(finishReason === 'SAFETY' ? { safetyRatings: blockedRatings } : {}),
        ...(this.stream ? {} : this.#logprobs(choice.pieces)),
      }
    })
    return { candidates, ...usage }
  }

  /** Tokens said so far; those the script puts over them stand at the end alone. */
  #usage(atEnd: boolean) {
    const counts = countsOf(this.#plan, this.#script)
    if (counts === undefined) return {}
    const thoughts = atEnd ? counts.reasoning : this.#thought
    const completion = atEnd ? counts.completion : this.#said
    const { prompt, cacheRead } = counts
    const total = typeof prompt === 'number' && typeof completion === 'number' ? prompt + completion : undefined
    return {
      usageMetadata: {
        promptTokenCount: prompt,
        ...(this.#plan.blocked === true ? {} : { candidatesTokenCount: less(completion, thoughts) }),
        totalTokenCount: total,
        ...(cacheRead > 0 ? { cachedContentTokenCount: cacheRead } : {}),
        ...(thoughts > 0 ? { thoughtsTokenCount: thoughts } : {}),
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: prompt }],
      },
    }
  }

  #logprobs(pieces: readonly Piece[]) {
    const alternatives = this.#request.logprobs
    const said = pieces.filter(({ kind }) => kind === 'content')
    if (alternatives === undefined || said.length === 0) return {}
    const describe = (token: string, rank = 0) => ({ token, logProbability: logprobOf(token, this.#script, rank) })
    const chosenCandidates = said.map(({ text }) => describe(text))
    const sum = chosenCandidates.reduce((total, { logProbability }) => total + logProbability, 0)
    const topCandidates = said.map(({ text }) => ({
      candidates: Array.from({ length: alternatives }, (_, rank) => describe(rank === 0 ? text : ` ${rank}`, rank)),
    }))
    return { avgLogprobs: sum / said.length, logprobsResult: { chosenCandidates, topCandidates } }
  }
}

function finishReasonOf({ finishReason, refused }: PlannedChoice): string {
  const reasons: Readonly<Record<string, string>> = {
    stop: 'STOP',
    length: 'MAX_TOKENS',
    tool_calls: 'STOP',
    content_filter: 'SAFETY',
  }
  return refused === true ? 'SAFETY' : (reasons[finishReason] ?? finishReason)
}

/** The parts that piece `index` completes: text at once, a call with its last token. */
function partsAt({ pieces, calls }: PlannedChoice, index: number): unknown[] {
  const piece = pieces[index]
  if (piece === undefined) return []
  if (piece.kind === 'content') return [{ text: piece.text }]
  if (piece.kind === 'reasoning') return [{ text: piece.text, thought: true }]
  if (piece.kind === 'refusal' || pieces[index + 1]?.kind === 'arguments') return []
  const written = pieces.filter(({ kind, call }) => kind === 'arguments' && call === piece.call)
  return partOf({ kind: 'call', call: calls[piece.call], text: written.map(({ text }) => text).join('') })
}

function partOf({ kind, text, call }: Block): unknown[] {
  switch (kind) {
    case 'content':
      return [{ text }]
    case 'reasoning':
      return [{ text, thought: true }]
    case 'call':
      return [{ functionCall: { id: call?.id, name: call?.name, args: parsedArguments(text) } }]
    case 'refusal':
      return []
    default: {
      const unknownKind: never = kind
      return unknownKind
    }
  }
}
