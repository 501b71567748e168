/**
 * Splits a text into tokens as models stream it: a word with the space before it, punctuation by itself,
 * pieces of at most twelve code points. Joined, the tokens are the text again.
 */
export function tokenize(text: string): string[] {
  return text.match(/\s*[^\s.,;:!?]{1,12}|\s*[.,;:!?]+|\s+$/gu) ?? []
}

/** The prompt count this server reports: one token per four UTF-16 units, rounded up. */
export function countTokens(characters: number): number {
  return Math.ceil(characters / 4)
}
