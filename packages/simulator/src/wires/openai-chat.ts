import type { RequestError } from '../errors.ts'
import type { Piece, Plan, PlannedChoice } from '../plan.ts'
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
import type { ChatRequest } from './openai-request.ts'

/** A plan as `chat.completion` or as `chat.completion.chunk` events, field by field as OpenAI sends them. */
export class ChatEncoder implements Encoder {
  readonly stream: boolean
  readonly contentType: string
  readonly headFirst = true
  readonly #request: ChatRequest
  readonly #plan: Plan
  readonly #script: Script
  readonly #id: string
  readonly #created = Math.floor(Date.now() / 1000)
  readonly #head: string
  readonly #tail: string

  constructor(request: ChatRequest, plan: Plan, script: Script, sequence: number) {
    this.stream = request.stream
    this.contentType = request.stream ? eventStreamType : jsonType
    this.#request = request
    this.#plan = plan
    this.#script = script
    this.#id = `chatcmpl-sim${sequence}`
    this.#head =
      `data: {"id":"${this.#id}","object":"chat.completion.chunk","created":${this.#created},` +
      `"model":${JSON.stringify(request.model)},"service_tier":"default","system_fingerprint":"${fingerprint}","choices":[`
    this.#tail = this.#reportsUsage ? '],"usage":null' : ']'
  }

  get #reportsUsage(): boolean {
    return this.#request.includeUsage && this.#script.noUsage !== true
  }

  opening(): string {
    let output = ''
    for (const [index, choice] of this.#plan.choices.entries()) {
      const content = choice.calls.length > 0 ? 'null' : '""'
      output += this.#chunk(index, `{"role":"assistant","content":${content},"refusal":null}`)
    }
    return output
  }

  step(index: number, emittedAtMs: number | undefined): string {
    const stamp = emittedAtMs === undefined ? '' : `,"sim_at":${emittedAtMs.toFixed(2)}`
    const { choices } = this.#plan
    let output = ''
    for (let choiceIndex = 0; choiceIndex < choices.length; choiceIndex += 1) {
      const choice = choices[choiceIndex] as PlannedChoice
      const piece = choice.pieces[index]
      if (piece === undefined) continue
      const logprobs = this.#request.logprobs === undefined ? 'null' : JSON.stringify(this.#logprobs([piece]))
      output += this.#chunk(choiceIndex, deltaOf(piece, choice), 'null', stamp, logprobs)
    }
    return output
  }

  closing(): string {
    let output = ''
    for (const [index, { finishReason }] of this.#plan.choices.entries()) {
      output += this.#chunk(index, '{}', JSON.stringify(finishReason))
    }
    if (this.#reportsUsage) {
      output += `${this.#head}],"usage":${JSON.stringify(usageOf(this.#plan, this.#script))}}\n\n`
    }
    return output + doneEvent
  }

  whole(): string {
    return JSON.stringify({
      id: this.#id,
      object: 'chat.completion',
      created: this.#created,
      model: this.#request.model,
      choices: this.#plan.choices.map((choice, index) => ({
        index,
        message: messageOf(choice),
        logprobs: this.#request.logprobs === undefined ? null : this.#logprobs(choice.pieces),
        finish_reason: choice.finishReason,
      })),
      usage: usageOf(this.#plan, this.#script),
      service_tier: 'default',
      system_fingerprint: fingerprint,
    })
  }

  malformed(): string {
    return malformedEvent
  }

  failure(error: RequestError): string {
    return `data: ${errorBody(error)}\n\n`
  }

  #chunk(index: number, delta: string, finishReason = 'null', stamp = '', logprobs = 'null'): string {
    return (
      `${this.#head}{"index":${index},"delta":${delta},"logprobs":${logprobs},"finish_reason":${finishReason}}` +
      `${this.#tail}${stamp}}\n\n`
    )
  }

  #logprobs(pieces: readonly Piece[]): unknown {
    const alternatives = this.#request.logprobs ?? 0
    const describe = (token: string, rank: number) => ({
      token,
      logprob: logprobOf(token, this.#script, rank),
      bytes: [...Buffer.from(token)],
    })
    const of = (wanted: Piece['kind']) =>
      pieces
        .filter(({ kind }) => kind === wanted)
        .map(({ text }) => ({
          ...describe(text, 0),
          top_logprobs: Array.from({ length: alternatives }, (_, rank) =>
            describe(rank === 0 ? text : ` ${rank}`, rank),
          ),
        }))
    const refusal = of('refusal')
    return refusal.length > 0 ? { content: null, refusal } : { content: of('content'), refusal: null }
  }
}

function deltaOf(piece: Piece, choice: PlannedChoice): string {
  switch (piece.kind) {
    case 'content':
      return `{"content":${JSON.stringify(piece.text)}}`
    case 'refusal':
      return `{"refusal":${JSON.stringify(piece.text)}}`
    case 'reasoning':
      return `{"reasoning_content":${JSON.stringify(piece.text)}}`
    case 'call': {
      const id = choice.calls[piece.call]?.id
      const call = { index: piece.call, id, type: 'function', function: { name: piece.text, arguments: '' } }
      return `{"tool_calls":[${JSON.stringify(call)}]}`
    }
    case 'arguments':
      return `{"tool_calls":[{"index":${piece.call},"function":{"arguments":${JSON.stringify(piece.text)}}}]}`
  }
}

function messageOf({ pieces, calls, refused }: PlannedChoice): unknown {
  let content = ''
  let reasoning = ''
  let refusal = ''
  const written = calls.map(() => '')
  for (const { kind, text, call } of pieces) {
    if (kind === 'content') content += text
    else if (kind === 'reasoning') reasoning += text
    else if (kind === 'refusal') refusal += text
    else if (kind === 'arguments') written[call] += text
  }
  return {
    role: 'assistant',
    content: calls.length > 0 || refused === true ? null : content,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0
      ? {}
      : {
          tool_calls: calls.map(({ id, name }, index) => ({
            id,
            type: 'function',
            function: { name, arguments: written[index] },
          })),
        }),
    refusal: refused === true ? refusal : null,
    annotations: [],
  }
}
