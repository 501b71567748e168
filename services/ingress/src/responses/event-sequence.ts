import {
  annotationsOf,
  blocksOf,
  type ChoiceDelta,
  type EndPayload,
  functionCallId,
  type ItemStatus,
  messageItem,
  openBlocks,
  outputItemId,
  type ReasoningForm,
  type ResponseEcho,
  type ResponseFacts,
  type ResponseItem,
  reasoningFormOf,
  reasoningOf,
  responseObject,
  responseOutput,
  type TerminalStatus,
  textPart,
} from '@inferq/contracts'
import {
  findCall,
  firstText,
  type ItemPlace,
  type OpenCall,
  type OpenItem,
  type OpenMessage,
  type OpenReasoning,
  openPart,
  tokensOf,
  viewOfItem,
  viewOfPart,
} from './open-items.ts'

/** https://platform.openai.com/docs/api-reference/responses-streaming */
export interface ResponseEvent {
  readonly type: string
  readonly sequence_number: number
  readonly [field: string]: unknown
}

export interface SequenceOptions {
  readonly jobId: string
  readonly model: string
  /** ms epoch */
  readonly createdAt: number
  readonly echo: ResponseEcho
  /** The next event's number. */
  readonly firstNumber?: number
}

/** More than the events of one log. */
const numbersPerLoss = 1_000_000

/** Number of the first event of output after so many losses of the log: above all that the lost ones can have had. */
export function firstNumberAfter(losses: number): number {
  return losses * numbersPerLoss
}

/**
 * The events of one generation of a response: a function of what its log holds, so that every ingress gives the same events
 * the same numbers, however often they are read.
 *
 *   created → [queued, in the background] → in_progress → items → completed | incomplete | failed
 *
 * An item is opened when its first part comes, and closed at the end; reasoning is closed by what comes after it. The
 * terminal event has the items in their canonical order, as the response has them ever after. Reasoning that comes when it
 * is closed is only there.
 */
export class EventSequence {
  readonly #options: SequenceOptions
  readonly #form: ReasoningForm
  #number: number
  #stage: 'new' | 'created' | 'in_progress' | 'ended' = 'new'
  #items: OpenItem[] = []
  #finishReason: string | undefined

  constructor(options: SequenceOptions) {
    this.#options = options
    this.#form = reasoningFormOf(options.echo)
    this.#number = options.firstNumber ?? 0
  }

  /** Of the next event. */
  get number(): number {
    return this.#number
  }

  /** That it was accepted. */
  created(): ResponseEvent[] {
    if (this.#stage !== 'new') return []
    this.#stage = 'created'
    const isBackground = this.#options.echo['background'] === true
    const status = isBackground ? 'queued' : 'in_progress'
    const events = [this.#lifecycle('response.created', { status })]
    if (isBackground) events.push(this.#lifecycle('response.queued', { status }))
    return events
  }

  started(): ResponseEvent[] {
    const events = this.created()
    if (this.#stage === 'created') {
      this.#stage = 'in_progress'
      events.push(this.#lifecycle('response.in_progress', { status: 'in_progress' }))
    }
    return events
  }

  /** What was shown of the output is void: it starts over, under numbers that go on, or go on from `number`. */
  restart(number = this.#number): void {
    this.#items = []
    this.#finishReason = undefined
    this.#number = number
  }

  text(text: string): ResponseEvent[] {
    return [...this.started(), ...this.#text(text, [])]
  }

  deltas(deltas: readonly ChoiceDelta[]): ResponseEvent[] {
    const events = this.started()
    for (const { index, delta = {}, finish_reason, logprobs } of deltas) {
      if (index !== 0) continue
      if (typeof finish_reason === 'string') this.#finishReason = finish_reason
      const reasoning = reasoningOf(delta)
      const blocks = blocksOf(delta)
      if (reasoning !== '' || blocks.length > 0) events.push(...this.#reasoning(reasoning, blocks))
      const { content, refusal, tool_calls: calls } = delta
      if (typeof content === 'string' && content !== '') events.push(...this.#text(content, tokensOf(logprobs)))
      for (const annotation of annotationsOf(delta)) events.push(...this.#annotation(annotation))
      if (typeof refusal === 'string' && refusal !== '') events.push(...this.#refusal(refusal))
      if (Array.isArray(calls)) for (const call of calls) events.push(...this.#call(call))
    }
    return events
  }

  /** The terminal event, and before it what was not shown or closed yet. */
  end(status: TerminalStatus, end: EndPayload): ResponseEvent[] {
    if (this.#stage === 'ended') return []
    const events = this.started()
    this.#stage = 'ended'
    const finishReason = end.finishReason ?? this.#finishReason
    const facts = {
      status,
      endedAt: end.at,
      ...(finishReason === undefined ? {} : { finishReason }),
      ...(end.usage === undefined ? {} : { usage: end.usage }),
      ...(end.error === undefined ? {} : { error: end.error }),
    }
    if (status !== 'completed') return [...events, this.#lifecycle('response.failed', facts)]
    const isWhole = finishReason !== 'length' && finishReason !== 'content_filter'
    const itemStatus = isWhole ? 'completed' : 'incomplete'
    const hasResult = typeof end.result === 'object' && end.result !== null
    const output = hasResult
      ? responseOutput(this.#options.jobId, end.result, this.#form, isWhole)
      : this.#shown(itemStatus)
    const shown = new Set(this.#items.map((item) => item.id))
    for (const item of output) if (!shown.has(String(item['id']))) events.push(...this.#showWhole(item))
    for (const item of this.#items) events.push(...this.#close(item, itemStatus))
    const type = isWhole ? 'response.completed' : 'response.incomplete'
    return [...events, this.#lifecycle(type, { ...facts, output })]
  }

  #event(type: string, fields: object): ResponseEvent {
    return { type, sequence_number: this.#number++, ...fields }
  }

  #lifecycle(type: string, facts: Pick<ResponseFacts, 'status'> & Partial<ResponseFacts>): ResponseEvent {
    const { jobId, model, createdAt, echo } = this.#options
    return this.#event(type, { response: responseObject({ jobId, model, createdAt, ...facts }, echo) })
  }

  #text(text: string, logprobs: readonly unknown[]): ResponseEvent[] {
    const { item, events } = this.#openMessage()
    const { part, place, opening } = openPart(item, 'output_text')
    part.text += text
    part.logprobs.push(...logprobs)
    const at = { item_id: item.id, output_index: item.place, content_index: place }
    if (opening) events.push(this.#event('response.content_part.added', { ...at, part: textPart('') }))
    if (text !== '') events.push(this.#event('response.output_text.delta', { ...at, delta: text, logprobs }))
    return events
  }

  #annotation(annotation: object): ResponseEvent[] {
    const events = this.#text('', [])
    const item = this.#items.find((one) => one.kind === 'message')
    if (item === undefined) return events
    const { part, place } = openPart(item, 'output_text')
    const at = { item_id: item.id, output_index: item.place, content_index: place }
    const fields = { ...at, annotation_index: part.annotations.push(annotation) - 1, annotation }
    return [...events, this.#event('response.output_text.annotation.added', fields)]
  }

  #refusal(text: string): ResponseEvent[] {
    const { item, events } = this.#openMessage()
    const { part, place, opening } = openPart(item, 'refusal')
    part.text += text
    const at = { item_id: item.id, output_index: item.place, content_index: place }
    if (opening)
      events.push(this.#event('response.content_part.added', { ...at, part: viewOfPart({ ...part, text: '' }) }))
    events.push(this.#event('response.refusal.delta', { ...at, delta: text }))
    return events
  }

  #openMessage(): { readonly item: OpenMessage; readonly events: ResponseEvent[] } {
    const known = this.#items.find((item) => item.kind === 'message')
    if (known !== undefined) return { item: known, events: [] }
    const item: OpenMessage = { ...this.#newItem('message'), kind: 'message', parts: [] }
    return { item, events: this.#open(item) }
  }

  #reasoning(text: string, blocks: readonly unknown[] = []): ResponseEvent[] {
    const known = this.#items.find((item) => item.kind === 'reasoning')
    const item: OpenReasoning = known ?? { ...this.#newItem('reasoning'), kind: 'reasoning', text: '', blocks: [] }
    item.text += text
    item.blocks.push(...blocks)
    if (item.isClosed) return []
    const events: ResponseEvent[] = []
    const at = this.#reasoningPlace(item)
    if (known === undefined) {
      events.push(...this.#open(item))
      const isSummary = this.#form === 'summary'
      const part = { type: isSummary ? 'summary_text' : 'reasoning_text', text: '' }
      const name = isSummary ? 'response.reasoning_summary_part.added' : 'response.content_part.added'
      events.push(this.#event(name, { ...at, part }))
    }
    if (text !== '') events.push(this.#event(`${this.#reasoningName()}.delta`, { ...at, delta: text }))
    return events
  }

  #reasoningName(): string {
    return this.#form === 'summary' ? 'response.reasoning_summary_text' : 'response.reasoning_text'
  }

  #reasoningPlace(item: OpenReasoning): object {
    const at = { item_id: item.id, output_index: item.place }
    return this.#form === 'summary' ? { ...at, summary_index: 0 } : { ...at, content_index: 0 }
  }

  /** A call is opened when its name is known; its arguments come in pieces. */
  #call(part: unknown): ResponseEvent[] {
    if (typeof part !== 'object' || part === null) return []
    const { index, id, function: called, extra_content: extraContent } = part as Readonly<Record<string, unknown>>
    const { name, arguments: argumentsText } = (called ?? {}) as Readonly<Record<string, unknown>>
    const calls = this.#items.filter((item) => item.kind === 'function_call')
    const known = findCall(calls, index, id)
    const item: OpenCall = known ?? {
      ...this.#newItem('function_call', calls.length),
      kind: 'function_call',
      index: typeof index === 'number' ? index : undefined,
      number: calls.length,
      callId: typeof id === 'string' && id !== '' ? id : functionCallId(this.#options.jobId, calls.length),
      name: '',
      arguments: '',
      extraContent,
      isShown: false,
    }
    const events: ResponseEvent[] = []
    if (known === undefined) events.push(...this.#closeReasoning())
    if (known === undefined) this.#items.push(item)
    if (typeof name === 'string' && name !== '') item.name = name
    if (extraContent !== undefined) item.extraContent = extraContent
    const text = typeof argumentsText === 'string' ? argumentsText : ''
    item.arguments += text
    if (item.name === '') return events
    if (!item.isShown) return [...events, ...this.#showCall(item)]
    if (text !== '') events.push(this.#argumentsDelta(item, text))
    return events
  }

  /** With the arguments that came before the name. */
  #showCall(item: OpenCall): ResponseEvent[] {
    item.isShown = true
    const opened = this.#event('response.output_item.added', {
      output_index: item.place,
      item: viewOfItem(this.#options.jobId, { ...item, arguments: '' }, this.#form, 'in_progress'),
    })
    return item.arguments === '' ? [opened] : [opened, this.#argumentsDelta(item, item.arguments)]
  }

  #argumentsDelta(item: OpenCall, delta: string): ResponseEvent {
    const at = { item_id: item.id, output_index: item.place }
    return this.#event('response.function_call_arguments.delta', { ...at, delta })
  }

  #newItem(type: 'message' | 'reasoning' | 'function_call', number = 0): ItemPlace {
    const id = outputItemId(type, this.#options.jobId, number)
    return { id, place: this.#items.length, isClosed: false }
  }

  #open(item: OpenItem): ResponseEvent[] {
    const events = item.kind === 'reasoning' ? [] : this.#closeReasoning()
    this.#items.push(item)
    const empty = item.kind === 'reasoning' ? { ...item, text: '', blocks: [] } : item
    const view = viewOfItem(this.#options.jobId, empty, this.#form, 'in_progress')
    events.push(this.#event('response.output_item.added', { output_index: item.place, item: view }))
    return events
  }

  #closeReasoning(): ResponseEvent[] {
    const open = this.#items.find((item) => item.kind === 'reasoning' && !item.isClosed)
    return open === undefined ? [] : this.#close(open, 'completed')
  }

  #close(item: OpenItem, status: ItemStatus): ResponseEvent[] {
    if (item.isClosed) return []
    item.isClosed = true
    const events: ResponseEvent[] = []
    const at = { item_id: item.id, output_index: item.place }
    switch (item.kind) {
      case 'reasoning': {
        const place = this.#reasoningPlace(item)
        const isSummary = this.#form === 'summary'
        const part = { type: isSummary ? 'summary_text' : 'reasoning_text', text: item.text }
        const name = isSummary ? 'response.reasoning_summary_part.done' : 'response.content_part.done'
        events.push(this.#event(`${this.#reasoningName()}.done`, { ...place, text: item.text }))
        events.push(this.#event(name, { ...place, part }))
        break
      }
      case 'message':
        for (const [place, part] of item.parts.entries()) {
          const inside = { ...at, content_index: place }
          events.push(
            part.type === 'refusal'
              ? this.#event('response.refusal.done', { ...inside, refusal: part.text })
              : this.#event('response.output_text.done', { ...inside, text: part.text, logprobs: part.logprobs }),
          )
          events.push(this.#event('response.content_part.done', { ...inside, part: viewOfPart(part) }))
        }
        break
      case 'function_call':
        if (!item.isShown) events.push(...this.#showCall(item))
        events.push(
          this.#event('response.function_call_arguments.done', { ...at, name: item.name, arguments: item.arguments }),
        )
        break
      default:
        item satisfies never
    }
    const itemStatus = item.kind === 'reasoning' ? 'completed' : status
    const view = viewOfItem(this.#options.jobId, item, this.#form, itemStatus)
    events.push(this.#event('response.output_item.done', { output_index: item.place, item: view }))
    return events
  }

  /** An item of the result that no delta has told of. */
  #showWhole(item: ResponseItem): ResponseEvent[] {
    switch (item['type']) {
      case 'reasoning':
        return this.#reasoning(
          firstText(item['content']) || firstText(item['summary']),
          openBlocks(item['encrypted_content']),
        )
      case 'message': {
        const parts = (item['content'] ?? []) as readonly Readonly<Record<string, unknown>>[]
        return parts.flatMap((part) =>
          part['type'] === 'refusal'
            ? this.#refusal(String(part['refusal']))
            : [
                ...this.#text(String(part['text']), (part['logprobs'] ?? []) as readonly unknown[]),
                ...((part['annotations'] ?? []) as readonly object[]).flatMap((one) => this.#annotation(one)),
              ],
        )
      }
      default: {
        const { name, arguments: argumentsText, call_id: id, extra_content } = item
        const index = this.#items.filter(({ kind }) => kind === 'function_call').length
        return this.#call({ index, id, function: { name, arguments: argumentsText }, extra_content })
      }
    }
  }

  /** What was shown, in the order that items have in the end. */
  #shown(status: ItemStatus): ResponseItem[] {
    const { jobId } = this.#options
    const items = [...this.#items].sort((a, b) => itemOrder.indexOf(a.kind) - itemOrder.indexOf(b.kind))
    const views = items.map((item) =>
      viewOfItem(jobId, item, this.#form, item.kind === 'reasoning' ? 'completed' : status),
    )
    const isSilent = items.every(({ kind }) => kind === 'reasoning')
    return isSilent ? [...views, messageItem(jobId, [textPart('')], status)] : views
  }
}

const itemOrder: readonly string[] = ['reasoning', 'message', 'function_call']
