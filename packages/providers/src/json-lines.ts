import { StringDecoder } from 'node:string_decoder'
import { malformed } from './json.ts'

/**
 * Cuts bytes into lines, wherever they were split. Empty lines are left out. Throws `upstream_malformed` for a line longer
 * than `maxLineLength` UTF-16 units.
 */
export function createLineSplitter(onLine: (line: string) => void, maxLineLength: number): LineSplitter {
  const decoder = new StringDecoder('utf8')
  // Joined only when the line ends: joining at every piece would be quadratic for a long one.
  let pieces: string[] = []
  let length = 0
  const hold = (piece: string): void => {
    if (piece === '') return
    length += piece.length
    if (length > maxLineLength) throw malformed('The upstream sent a line without end.')
    pieces.push(piece)
  }
  const release = (): void => {
    const line = pieces.length === 1 ? (pieces[0] ?? '') : pieces.join('')
    pieces = []
    length = 0
    if (line.trim() !== '') onLine(line)
  }
  return {
    push(bytes) {
      const text = decoder.write(bytes)
      let start = 0
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n', start)) {
        hold(text.slice(start, end))
        release()
        start = end + 1
      }
      hold(text.slice(start))
    },
    end() {
      hold(decoder.end())
      release()
    },
  }
}

export interface LineSplitter {
  push(bytes: Buffer): void
  /** The last line need not end with a line feed. */
  end(): void
}
