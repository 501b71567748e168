import type { Readable } from 'node:stream'

/** Bytes under ids. All methods throw InferqError `service_unavailable` when the storage does not answer. */
export interface FileStore {
  /**
   * Stores everything that comes, under an id that nobody reads before it resolves; what was there is replaced as a whole.
   * Throws `payload_too_large` beyond `maxBytes`, and whatever `source` throws: then nothing of it stays.
   */
  put(id: string, source: AsyncIterable<Uint8Array>, options: { readonly maxBytes: number }): Promise<StoredBytes>
  /** The bytes, all or those of the range. Throws `file_not_found`. Destroy what is not read to its end. */
  open(id: string, range?: ByteRange): Promise<Readable>
  /** Nothing is there afterwards; it need not have been. */
  remove(id: string): Promise<void>
}

export interface StoredBytes {
  readonly bytes: number
}

/** Both ends belong to it. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}
