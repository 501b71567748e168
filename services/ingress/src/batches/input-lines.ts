/** A line of a file, from 1. Blank ones are left out. */
export type InputLine =
  | { readonly kind: 'line'; readonly line: number; readonly bytes: Buffer }
  | { readonly kind: 'too_long'; readonly line: number }

const newline = 10
/** It, and the bytes below it, are blank. */
const space = 32

/**
 * The lines of a file, gathered by the chunk in which they end. Whatever the chunks, at most one line of `maxBytes` and one
 * chunk are held. A missing newline at the end does not matter.
 */
export async function* readInputLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<readonly InputLine[], void> {
  let line = 0
  let held: Uint8Array[] = []
  let heldBytes = 0

  /** One more piece of the line that is read; what is too long is counted, not held. */
  const hold = (piece: Uint8Array): void => {
    heldBytes += piece.byteLength
    if (heldBytes > maxBytes) held = []
    else if (piece.byteLength > 0) held.push(piece)
  }
  const endLine = (): InputLine | null => {
    line += 1
    const tooLong = heldBytes > maxBytes
    const bytes = Buffer.concat(held)
    held = []
    heldBytes = 0
    if (tooLong) return { kind: 'too_long', line }
    return bytes.every((byte) => byte <= space) ? null : { kind: 'line', line, bytes }
  }

  for await (const chunk of chunks) {
    const lines: InputLine[] = []
    let from = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, from)) {
      hold(chunk.subarray(from, end))
      from = end + 1
      const ended = endLine()
      if (ended !== null) lines.push(ended)
    }
    // A copy: the reader of the file may use its buffer again.
    if (from < chunk.byteLength) hold(Uint8Array.prototype.slice.call(chunk, from))
    if (lines.length > 0) yield lines
  }
  const last = heldBytes > 0 ? endLine() : null
  if (last !== null) yield [last]
}
