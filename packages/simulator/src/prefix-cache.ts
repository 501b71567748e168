import type { Turn } from './plan.ts'
import { hashText } from './random.ts'
import { countTokens } from './tokens.ts'

/** Tokens that are kept together, as vLLM does. */
const blockTokens = 16
const blockCharacters = 4 * blockTokens
/** The longest unused go first. */
const mostBlocks = 65_536

/** What a model has read lately, by blocks: a prompt that begins the same way need not be read again so far. */
export class PrefixCache {
  /** Hashes of beginnings that end with a block, the longest unused first. */
  readonly #blocks = new Set<number>()

  /** Tokens of this prompt that are there already; from now on, all of its whole blocks are, and those of its answer. */
  read(turns: readonly Turn[], answer: string): number {
    const prompt = turns.map(({ text }) => text).join('')
    let known = 0
    let unbroken = true
    for (const { end, hash } of blocksOf(prompt + answer)) {
      if (end <= prompt.length && unbroken) {
        if (this.#blocks.has(hash)) known = end
        else unbroken = false
      }
      this.#keep(hash)
    }
    return countTokens(known)
  }

  #keep(hash: number): void {
    this.#blocks.delete(hash)
    this.#blocks.add(hash)
    if (this.#blocks.size <= mostBlocks) return
    const [oldest] = this.#blocks
    if (oldest !== undefined) this.#blocks.delete(oldest)
  }
}

function* blocksOf(text: string): Generator<{ readonly end: number; readonly hash: number }> {
  let hash = 0
  for (let end = blockCharacters; end <= text.length; end += blockCharacters) {
    hash = hashText(text.slice(end - blockCharacters, end), hash)
    yield { end, hash }
  }
}
