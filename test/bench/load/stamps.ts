/** When a token was emitted and when it came, in ms since 1970. */
export interface StampedToken {
  readonly emittedAtMs: number
  readonly arrivedAtMs: number
}

/** What the simulator's `emitStamps` puts at the end of each token. */
const stampPattern = /@(\d+\.\d\d)/g

/** The text without the moments of its emission. */
export function withoutStamps(text: string): string {
  return text.replaceAll(stampPattern, '')
}

/** The moments of emission in a piece of text, in ms since 1970. */
export function readStamps(piece: string): number[] {
  return Array.from(piece.matchAll(stampPattern), (match) => Number(match[1]))
}

/** The clock of the stamps, in this process. */
export function nowSince1970Ms(): number {
  return performance.timeOrigin + performance.now()
}

const emittedApartMs = 20
const togetherMs = 1

/**
 * Of the tokens of one stream that were emitted at least 20 ms after the one before, how many there are and how many of
 * them came less than 1 ms after it: somebody held the first of the two back.
 */
export function countBursts(tokens: readonly StampedToken[]): { readonly apart: number; readonly together: number } {
  let apart = 0
  let together = 0
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1]
    if (before === undefined || token.emittedAtMs - before.emittedAtMs < emittedApartMs) continue
    apart += 1
    if (token.arrivedAtMs - before.arrivedAtMs < togetherMs) together += 1
  }
  return { apart, together }
}
