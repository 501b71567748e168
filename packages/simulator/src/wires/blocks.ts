import type { Piece, PlannedCall, PlannedChoice } from '../plan.ts'

/** A run of pieces of one kind, as the wires with content blocks send it: thinking, text, or one tool call. */
export interface Block {
  readonly kind: 'reasoning' | 'content' | 'refusal' | 'call'
  /** Set for a call. */
  readonly call: PlannedCall | undefined
  /** The text; of a call, its arguments as far as they were written. */
  text: string
}

/** Whether the piece at `index` begins a new block. */
export function opensBlock(pieces: readonly Piece[], index: number): boolean {
  const piece = pieces[index]
  const before = pieces[index - 1]
  if (piece === undefined) return false
  return before === undefined || piece.kind === 'call' || blockKind(piece) !== blockKind(before)
}

/** What the answer consists of, block by block. */
export function blocksOf({ pieces, calls }: PlannedChoice): Block[] {
  const blocks: Block[] = []
  for (const [index, piece] of pieces.entries()) {
    const kind = blockKind(piece)
    if (opensBlock(pieces, index))
      blocks.push({ kind, call: kind === 'call' ? calls[piece.call] : undefined, text: '' })
    const last = blocks.at(-1)
    if (last !== undefined && piece.kind !== 'call') last.text += piece.text
  }
  return blocks
}

/** Arguments as the object most wires want; broken ones stay text. */
export function parsedArguments(text: string): unknown {
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}

function blockKind({ kind }: Piece): Block['kind'] {
  return kind === 'arguments' ? 'call' : kind
}
