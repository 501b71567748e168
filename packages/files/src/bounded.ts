import { tooLarge } from './errors.ts'

/** A source that failed, as opposed to the storage it goes to. */
export class SourceError extends Error {
  constructor(cause: unknown) {
    super('the source of a file failed', { cause })
    this.name = 'SourceError'
  }
}

/** The chunks of a source while they stay within `maxBytes`; throws `payload_too_large`, or SourceError. */
export async function* bounded(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let bytes = 0
  const chunks = source[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await chunks.next().catch((thrown: unknown): never => {
        throw new SourceError(thrown)
      })
      if (next.done === true) return
      bytes += next.value.byteLength
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      if (next.value.byteLength > 0) yield next.value
    }
  } finally {
    await chunks.return?.()
  }
}
