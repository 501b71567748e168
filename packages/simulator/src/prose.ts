import { pick, type Random } from './random.ts'
import { tokenize } from './tokens.ts'

// N noun, V verb, A adjective; everything else stands for itself.
const patterns: readonly (readonly string[])[] = [
  'The A N V the N .',
  'Every N V one N , and each N V its A N .',
  'When a N V the N , the A N V another N .',
  'One A N V the N before the N V it .',
  'No N V a A N twice .',
  'First the N V the N ; then the A N V what remains .',
  'The N V a N , a N and a A N .',
].map((pattern) => pattern.split(' '))

const nouns = (
  'queue worker river signal garden letter bridge window token stream market harbor lantern number student ' +
  'question library mountain compass workshop traveler notebook station kitchen'
).split(' ')
const verbs = 'passes holds follows meets carries orders answers shapes keeps moves finds measures'.split(' ')
const adjectives = 'calm patient steady quiet careful distant simple bright narrow gentle plain short'.split(' ')

const stopWords = new Set(
  (
    'about above after again because before being below between could during every following from have into ' +
    'itself more most other please should some such than that their them then there these they this those ' +
    'through under until very what when where which while with would your words text summary summarize'
  ).split(' '),
)

/** Plain sentences of exactly `count` tokens, the last one a full stop. Empty for a count of 0. */
export function composeProse(random: Random, count: number, subjects: readonly string[] = nouns): string[] {
  const tokens: string[] = []
  while (tokens.length < count) {
    for (const symbol of pick(random, patterns)) {
      const word = wordFor(symbol, random, subjects)
      tokens.push(isPunctuation(symbol) || tokens.length === 0 ? word : ` ${word}`)
    }
  }
  tokens.length = count
  if (count > 1) tokens[count - 1] = '.'
  return tokens
}

/** What a summary of `text` may sound like: its most frequent long words, then sentences about them. */
export function composeSummary(random: Random, count: number, text: string): string[] {
  const subjects = keywords(text)
  const [first, second, third] = subjects
  if (first === undefined || second === undefined || third === undefined) return composeProse(random, count)
  const opening = tokenize(`In short, the text is about ${first}, ${second} and ${third}.`)
  if (opening.length >= count) return opening.slice(0, count)
  const rest = composeProse(random, count - opening.length, subjects)
  if (rest[0] !== undefined && rest[0] !== '.') rest[0] = ` ${rest[0]}`
  return [...opening, ...rest]
}

function wordFor(symbol: string, random: Random, subjects: readonly string[]): string {
  switch (symbol) {
    case 'N':
      return pick(random, subjects)
    case 'V':
      return pick(random, verbs)
    case 'A':
      return pick(random, adjectives)
    default:
      return symbol
  }
}

function isPunctuation(symbol: string): boolean {
  return symbol === '.' || symbol === ',' || symbol === ';'
}

function keywords(text: string): string[] {
  const counts = new Map<string, number>()
  for (const word of text
    .slice(0, 20_000)
    .toLowerCase()
    .match(/\p{L}{5,12}/gu) ?? []) {
    if (!stopWords.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || (a < b ? -1 : 1))
    .slice(0, 8)
    .map(([word]) => word)
}
