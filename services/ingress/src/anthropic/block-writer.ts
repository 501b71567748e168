import { isObject, type JsonObject } from './fault.ts'

/** Where content blocks go as they come: one is open at a time, and they are numbered from 0. */
export interface BlockSink {
  start(index: number, block: JsonObject): void
  delta(index: number, delta: JsonObject): void
  stop(index: number): void
}

/** Something of an answer, in the order in which it came. */
type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'thinking'; readonly text: string }
  /** Ends a thought; `text` is the whole of it. */
  | { readonly kind: 'signature'; readonly signature: string; readonly text: string }
  | { readonly kind: 'redacted'; readonly data: string }
  | { readonly kind: 'call'; readonly key: number; readonly id?: string; readonly name?: string; readonly text: string }

type Open = { readonly kind: 'text' | 'thinking' } | { readonly kind: 'call'; readonly key: number; written: string }

interface NamelessCall {
  id: string | undefined
  text: string
}

/**
 * Turns a chat completion's deltas into Anthropic's content blocks. A chat may mix the arguments of several calls; a message
 * has one block after the other. So a call stays open until its arguments are a whole JSON object, and what comes for
 * others meanwhile waits: where calls come one after the other, as everybody sends them, nothing ever does.
 */
export class BlockWriter {
  /** A tool was called; the words said were a refusal. */
  called = false
  refused = false
  readonly #sink: BlockSink
  readonly #callId: (key: number) => string
  #next = 0
  #open: Open | undefined
  #waiting: Piece[] = []
  readonly #nameless = new Map<number, NamelessCall>()
  readonly #begun = new Set<number>()
  readonly #callIds: (string | undefined)[] = []

  /** @param callId for a call that came without an id */
  constructor(sink: BlockSink, callId: (key: number) => string) {
    this.#sink = sink
    this.#callId = callId
  }

  /** Nothing was written yet. */
  get isEmpty(): boolean {
    return this.#next === 0
  }

  text(text: string): void {
    if (text !== '') this.#take({ kind: 'text', text })
  }

  /** A delta of the only choice; `isWhole`: its whole message, whose signed thoughts say all there is to say of thoughts. */
  read(delta: JsonObject, isWhole = false): void {
    const { content, refusal, tool_calls: calls, thinking_blocks: blocks } = delta
    const thoughts: readonly unknown[] = Array.isArray(blocks) ? blocks : []
    const reasoning = delta['reasoning_content'] ?? delta['reasoning']
    const speaks = typeof reasoning === 'string' && reasoning !== '' && !(isWhole && thoughts.length > 0)
    if (speaks) this.#take({ kind: 'thinking', text: reasoning })
    for (const block of thoughts) if (isObject(block)) this.#thought(block, speaks)
    for (const text of textsOf(content)) this.text(text)
    if (typeof refusal === 'string' && refusal !== '') {
      this.refused = true
      this.text(refusal)
    }
    for (const call of Array.isArray(calls) ? calls : []) if (isObject(call)) this.#call(call, isWhole)
  }

  /** The answer is over: what waited is written, as it is. */
  finish(): void {
    for (const [key, { id, text }] of this.#nameless) this.#take(callPiece(key, id, '', text))
    this.#close()
    while (this.#waiting.length > 0) {
      this.#replay()
      this.#close()
    }
  }

  #thought(block: JsonObject, isSaid: boolean): void {
    const { thinking, signature, data } = block
    const text = typeof thinking === 'string' ? thinking : ''
    if (typeof data === 'string') this.#take({ kind: 'redacted', data })
    else if (typeof signature === 'string' && signature !== '') this.#take({ kind: 'signature', signature, text })
    else if (!isSaid && text !== '') this.#take({ kind: 'thinking', text })
  }

  #call(call: JsonObject, isWhole: boolean): void {
    const called = isObject(call['function']) ? call['function'] : {}
    const id = typeof call['id'] === 'string' && call['id'] !== '' ? call['id'] : undefined
    const key = this.#keyOf(call['index'], id, isWhole)
    this.#callIds[key] ??= id
    const text = typeof called['arguments'] === 'string' ? called['arguments'] : ''
    const name = typeof called['name'] === 'string' && called['name'] !== '' ? called['name'] : undefined
    if (this.#begun.has(key)) {
      this.#take({ kind: 'call', key, text })
      return
    }
    // A block says its name at its start, so a call whose name is still to come waits for it.
    const held = this.#nameless.get(key) ?? { id: undefined, text: '' }
    held.id ??= id
    held.text += text
    if (name === undefined) {
      this.#nameless.set(key, held)
      return
    }
    this.#nameless.delete(key)
    this.#take(callPiece(key, held.id, name, held.text))
  }

  /** Some leave the index out: an id not seen begins a call, none goes on with the last. */
  #keyOf(index: unknown, id: string | undefined, isWhole: boolean): number {
    if (typeof index === 'number' && Number.isInteger(index) && index >= 0) return index
    const { length } = this.#callIds
    if (isWhole || length === 0) return length
    if (id === undefined) return length - 1
    const known = this.#callIds.indexOf(id)
    return known < 0 ? length : known
  }

  #take(piece: Piece): void {
    if (piece.kind === 'call') this.#begun.add(piece.key)
    const open = this.#open
    if (open?.kind === 'call' && !(piece.kind === 'call' && piece.key === open.key)) {
      if (this.#waiting.length > 0 || !isWholeObject(open.written)) {
        this.#waiting.push(piece)
        return
      }
    }
    this.#write(piece)
    if (this.#waiting.length > 0 && open?.kind === 'call' && isWholeObject(open.written)) this.#replay()
  }

  #replay(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const piece of waiting) this.#take(piece)
  }

  #write(piece: Piece): void {
    switch (piece.kind) {
      case 'text':
        this.#opened('text', { type: 'text', text: '' })
        this.#delta({ type: 'text_delta', text: piece.text })
        return
      case 'thinking':
        this.#opened('thinking', emptyThought)
        this.#delta({ type: 'thinking_delta', thinking: piece.text })
        return
      case 'signature': {
        // A thought that was streamed ends with its signature; one that was not (or is not shown) comes whole.
        const isStreamed = this.#open?.kind === 'thinking'
        this.#opened('thinking', emptyThought)
        if (!isStreamed && piece.text !== '') this.#delta({ type: 'thinking_delta', thinking: piece.text })
        this.#delta({ type: 'signature_delta', signature: piece.signature })
        this.#close()
        return
      }
      case 'redacted':
        this.#close()
        this.#sink.start(this.#next, { type: 'redacted_thinking', data: piece.data })
        this.#sink.stop(this.#next++)
        return
      case 'call':
        this.#writeCall(piece)
        return
      default:
        piece satisfies never
    }
  }

  #writeCall(piece: Extract<Piece, { kind: 'call' }>): void {
    const { key, id, name, text } = piece
    if (name !== undefined) {
      this.#close()
      this.called = true
      this.#open = { kind: 'call', key, written: '' }
      this.#sink.start(this.#next, { type: 'tool_use', id: id ?? this.#callId(key), name, input: {} })
    }
    const open = this.#open
    // What comes after a whole object is no part of it.
    if (open?.kind !== 'call' || open.key !== key || text === '') return
    open.written += text
    this.#delta({ type: 'input_json_delta', partial_json: text })
  }

  #opened(kind: 'text' | 'thinking', block: JsonObject): void {
    if (this.#open?.kind === kind) return
    this.#close()
    this.#open = { kind }
    this.#sink.start(this.#next, block)
  }

  #delta(delta: JsonObject): void {
    this.#sink.delta(this.#next, delta)
  }

  #close(): void {
    if (this.#open === undefined) return
    this.#open = undefined
    this.#sink.stop(this.#next++)
  }
}

const emptyThought = { type: 'thinking', thinking: '', signature: '' } as const

function callPiece(key: number, id: string | undefined, name: string, text: string): Piece {
  return { kind: 'call', key, name, text, ...(id === undefined ? {} : { id }) }
}

function isWholeObject(text: string): boolean {
  return text.trimEnd().endsWith('}') && isObject(parseJson(text))
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A content in parts, as a few upstreams have it. */
function textsOf(content: unknown): readonly string[] {
  if (typeof content === 'string') return content === '' ? [] : [content]
  if (!Array.isArray(content)) return []
  return content.flatMap((part: unknown) => (isObject(part) && typeof part['text'] === 'string' ? [part['text']] : []))
}
