import type { RequestError } from '../errors.ts'
import { type Plan, type PlannedChoice, planText } from '../plan.ts'
import type { Encoder } from '../playback.ts'
import type { Script } from '../script.ts'
import {
  doneEvent,
  errorBody,
  eventStreamType,
  fingerprint,
  jsonType,
  logprobOf,
  malformedEvent,
  usageOf,
} from './openai-common.ts'
import type { CompletionsRequest } from './openai-request.ts'

/** One plan for all prompts of a request: their choices in a row, echoed prompts in front. */
export function planCompletions(serverSeed: number, request: CompletionsRequest, script: Script): Plan {
  const plans = request.texts.map((text) => planText(serverSeed, text, script))
  const choices = plans.flatMap((plan, index) => {
    const prompt = request.echo ? (request.texts[index]?.turns[0]?.text ?? '') : ''
    return prompt === '' ? plan.choices : plan.choices.map((choice) => echoed(prompt, choice))
  })
  const sum = (count: (plan: Plan) => number) => plans.reduce((total, plan) => total + count(plan), 0)
  return {
    choices,
    steps: Math.max(...choices.map(({ pieces }) => pieces.length)),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
    reasoningTokens: sum(({ reasoningTokens }) => reasoningTokens),
  }
}

/** A plan as `text_completion` objects, whole or streamed. */
export class CompletionsEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  readonly headFirst = true
  readonly #request: CompletionsRequest
  readonly #plan: Plan
  readonly #script: Script
  readonly #id: string
  readonly #created = Math.floor(Date.now() / 1000)
  readonly #head: string
  readonly #tail: string

  constructor(request: CompletionsRequest, plan: Plan, script: Script, sequence: number) {
    this.stream = request.stream
    this.contentType = request.stream ? eventStreamType : jsonType
    this.#request = request
    this.#plan = plan
    this.#script = script
    this.#id = `cmpl-sim${sequence}`
    this.#head =
      `data: {"id":"${this.#id}","object":"text_completion","created":${this.#created},` +
      `"model":${JSON.stringify(request.model)},"system_fingerprint":"${fingerprint}","choices":[`
    this.#tail = this.#reportsUsage ? '],"usage":null' : ']'
  }

  get #reportsUsage(): boolean {
    return this.#request.includeUsage && this.#script.noUsage !== true
  }

  opening(): string {
    return ''
  }

  step(index: number, emittedAtMs: number | undefined): string {
    const stamp = emittedAtMs === undefined ? '' : `,"sim_at":${emittedAtMs.toFixed(2)}`
    let output = ''
    for (const [choiceIndex, { pieces }] of this.#plan.choices.entries()) {
      const piece = pieces[index]
      if (piece === undefined) continue
      const logprobs = this.#request.logprobs === undefined ? null : this.#logprobs([piece.text])
      output += this.#chunk(choiceIndex, piece.text, null, logprobs, stamp)
    }
    return output
  }

  closing(): string {
    let output = ''
    for (const [index, { finishReason }] of this.#plan.choices.entries()) {
      output += this.#chunk(index, '', finishReason, null, '')
    }
    if (this.#reportsUsage) {
      output += `${this.#head}],"usage":${JSON.stringify(usageOf(this.#plan, this.#script))}}\n\n`
    }
    return output + doneEvent
  }

  whole(): string {
    return JSON.stringify({
      id: this.#id,
      object: 'text_completion',
      created: this.#created,
      model: this.#request.model,
      choices: this.#plan.choices.map(({ pieces, finishReason }, index) => ({
        text: pieces.map(({ text }) => text).join(''),
        index,
        logprobs: this.#request.logprobs === undefined ? null : this.#logprobs(pieces.map(({ text }) => text)),
        finish_reason: finishReason,
      })),
      usage: usageOf(this.#plan, this.#script),
      system_fingerprint: fingerprint,
    })
  }

  malformed(): string {
    return malformedEvent
  }

  failure(error: RequestError): string {
    return `data: ${errorBody(error)}\n\n`
  }

  #chunk(index: number, text: string, finishReason: string | null, logprobs: unknown, stamp: string): string {
    const choice = JSON.stringify({ text, index, logprobs, finish_reason: finishReason })
    return `${this.#head}${choice}${this.#tail}${stamp}}\n\n`
  }

  #logprobs(tokens: readonly string[]): unknown {
    const alternatives = this.#request.logprobs ?? 0
    let offset = 0
    return {
      tokens,
      token_logprobs: tokens.map((token) => logprobOf(token, this.#script)),
      top_logprobs: tokens.map((token) =>
        Object.fromEntries(
          Array.from({ length: alternatives }, (_, rank) => [
            rank === 0 ? token : ` ${rank}`,
            logprobOf(token, this.#script, rank),
          ]),
        ),
      ),
      text_offset: tokens.map((token) => {
        offset += token.length
        return offset - token.length
      }),
    }
  }
}

function echoed(prompt: string, choice: PlannedChoice): PlannedChoice {
  return { ...choice, pieces: [{ kind: 'content', text: prompt, call: 0 }, ...choice.pieces] }
}
