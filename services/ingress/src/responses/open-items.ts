import {
  functionCallItem,
  type ItemStatus,
  messageItem,
  type ReasoningForm,
  type ResponseItem,
  reasoningItem,
  textPart,
} from '@inferq/contracts'

export interface ItemPlace {
  readonly id: string
  /** Its `output_index`: items come in the order they are opened. */
  readonly place: number
  isClosed: boolean
}

export interface OpenReasoning extends ItemPlace {
  readonly kind: 'reasoning'
  text: string
  readonly blocks: unknown[]
}

export interface OpenMessage extends ItemPlace {
  readonly kind: 'message'
  readonly parts: OpenPart[]
}

export interface OpenPart {
  readonly type: 'output_text' | 'refusal'
  text: string
  readonly logprobs: unknown[]
  readonly annotations: object[]
}

export interface OpenCall extends ItemPlace {
  readonly kind: 'function_call'
  /** As the upstream counts it. */
  readonly index: number | undefined
  readonly number: number
  readonly callId: string
  name: string
  arguments: string
  extraContent: unknown
  isShown: boolean
}

export type OpenItem = OpenReasoning | OpenMessage | OpenCall

export function openPart(item: OpenMessage, type: OpenPart['type']) {
  const known = item.parts.findIndex((part) => part.type === type)
  const part = item.parts[known] ?? { type, text: '', logprobs: [], annotations: [] }
  const opening = known < 0
  if (opening) item.parts.push(part)
  return { part, place: opening ? item.parts.length - 1 : known, opening }
}

/** Some leave the index out: an id not seen begins a call, none goes on with the last. */
export function findCall(calls: readonly OpenCall[], index: unknown, id: unknown): OpenCall | undefined {
  if (typeof index === 'number') return calls.find((call) => call.index === index)
  if (typeof id === 'string' && id !== '') return calls.find((call) => call.callId === id)
  return calls.at(-1)
}

export function viewOfPart(part: OpenPart): object {
  return part.type === 'refusal'
    ? { type: 'refusal', refusal: part.text }
    : textPart(part.text, part.logprobs, part.annotations)
}

export function viewOfItem(jobId: string, item: OpenItem, form: ReasoningForm, status: ItemStatus): ResponseItem {
  switch (item.kind) {
    case 'reasoning':
      return reasoningItem(jobId, item, form, status)
    case 'message':
      return messageItem(jobId, item.parts.map(viewOfPart), status)
    case 'function_call':
      return functionCallItem(jobId, item.number, item, status)
    default:
      return item satisfies never
  }
}

export function tokensOf(logprobs: unknown): readonly unknown[] {
  if (typeof logprobs !== 'object' || logprobs === null || !('content' in logprobs)) return []
  return Array.isArray(logprobs.content) ? logprobs.content : []
}

export function firstText(parts: unknown): string {
  const [first] = Array.isArray(parts) ? (parts as readonly Readonly<Record<string, unknown>>[]) : []
  return typeof first?.['text'] === 'string' ? first['text'] : ''
}
