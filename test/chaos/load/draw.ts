import { between, pick } from '../run/random.ts'
import type { LoadOptions } from './load.ts'

/** Of the system's usual configuration. */
const usualChatModels = ['chat', 'chat', 'chat', 'cloud'] as const
const embeddingModel = 'embed'
const dimensions = 8

/** This share leaves text and pace to the upstream, so that what befalls its own text and pace befalls them. */
const freeShare = 0.12

const words =
  'queue worker river signal garden letter bridge window stream market harbor lantern number question naïve library Köln 語 🜁 mountain compass'.split(
    ' ',
  )

/** A chat completion without the name of who asks. */
export interface DrawnChat {
  /** What the upstream is told to answer; absent: it chooses. */
  readonly expected?: string
  body(user: string): Readonly<Record<string, unknown>>
}

/** @param name in the text, which no other request has then */
export function drawChat(random: () => number, options: LoadOptions, name: string): DrawnChat {
  const model = pick(random, options.chatModels ?? usualChatModels)
  const seed = between(random, [0, 2 ** 31])
  const common = { model, seed, temperature: 0.5, messages: [{ role: 'user', content: `Tell ${name} something.` }] }
  if (random() < freeShare) return { body: (user) => ({ ...common, user }) }
  const interTokenMs = between(random, options.interTokenMs)
  const expected = drawText(random, name, between(random, options.tokens))
  const sim = { text: expected, ttftMs: between(random, [0, 60]), interTokenMs }
  return { expected, body: (user) => ({ ...common, user, sim }) }
}

/** An answer that takes longer than anybody waits: only its client's leaving ends it. */
export function drawEndlessChat(random: () => number, { chatModels = usualChatModels }: LoadOptions): DrawnChat {
  const sim = { tokens: 20_000, ttftMs: between(random, [0, 60]), interTokenMs: 100 }
  return {
    body: (user) => ({
      ...{ model: pick(random, chatModels), seed: between(random, [0, 2 ** 31]), temperature: 0.5, user, sim },
      messages: [{ role: 'user', content: 'Tell me everything.' }],
    }),
  }
}

/** A request for embeddings; its answer is described by `describeVectors`. */
export function drawEmbedding(random: () => number, name: string): DrawnChat {
  const input = Array.from({ length: between(random, [1, 3]) }, (_, place) => `${name} number ${place}`)
  const sim = { embedding: { fixedMs: between(random, [1, 150]) } }
  return {
    expected: `${input.length} of ${dimensions}`,
    body: (user) => ({ model: embeddingModel, input, dimensions, user, sim }),
  }
}

/** How many vectors of which length: `2 of 8`. */
export function describeVectors(data: readonly { readonly embedding?: readonly number[] }[] | undefined): string {
  const lengths = new Set((data ?? []).map(({ embedding }) => embedding?.length ?? 0))
  return `${data?.length ?? 0} of ${[...lengths].join(', ')}`
}

/** So many tokens of the upstream (a word with the space before it is one); the places in it can be told apart. */
function drawText(random: () => number, name: string, tokens: number): string {
  const drawn = Array.from({ length: tokens }, (_, place) => `${pick(random, words)}${place}`)
  return `(${name}) ${drawn.join(' ')}`
}
