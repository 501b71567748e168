import { createRandom, hashText } from './random.ts'
import type { EmbeddingScript } from './script.ts'

const placesPerWord = 16
// The share of the whole text against its words: enough to tell two orders of the same words apart.
const wholeWeight = 0.3

/**
 * A unit vector that follows from the text alone: the same text gives the same vector on every server, and texts that
 * share words lie closer together than others.
 */
export function embedText(text: string, dimensions: number): Float32Array {
  const vector = new Float32Array(dimensions)
  const whole = createRandom(hashText(text))
  const weight = wholeWeight / Math.sqrt(dimensions)
  for (let place = 0; place < dimensions; place += 1) vector[place] = (whole() * 2 - 1) * weight * Math.sqrt(3)
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
  const step = 1 / Math.sqrt(Math.max(1, words.length) * placesPerWord)
  for (const word of words) {
    const random = createRandom(hashText(word))
    for (let count = 0; count < placesPerWord; count += 1) {
      const place = Math.floor(random() * dimensions)
      vector[place] = (vector[place] ?? 0) + (random() < 0.5 ? -step : step)
    }
  }
  return normalize(vector)
}

/** Milliseconds a call takes; the formula stands at `EmbeddingScript`. */
export function embeddingCostMs(tokens: number, items: number, script: EmbeddingScript = {}): number {
  const { fixedMs = 0, perTokenMs = 0, batchExponent = 0.6 } = script
  return fixedMs + perTokenMs * tokens * items ** (batchExponent - 1)
}

function normalize(vector: Float32Array): Float32Array {
  let square = 0
  for (const value of vector) square += value * value
  const length = Math.sqrt(square)
  if (length === 0) return vector.fill(1 / Math.sqrt(vector.length))
  for (let place = 0; place < vector.length; place += 1) vector[place] = (vector[place] ?? 0) / length
  return vector
}

/** The vector as JSON text, seven digits behind the point; anything longer would be noise of the 32-bit float. */
export function vectorJson(vector: Float32Array): string {
  let json = '['
  for (let place = 0; place < vector.length; place += 1) {
    json += `${place === 0 ? '' : ','}${Math.round((vector[place] ?? 0) * 1e7) / 1e7}`
  }
  return `${json}]`
}

export function vectorBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64')
}
