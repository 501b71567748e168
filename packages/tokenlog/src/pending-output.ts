import type { LogKind, ServedPayload } from '@inferq/contracts'

/** Entries (pairs of kind and payload) from `first` on. */
export interface Batch {
  readonly first: number
  readonly entries: readonly string[]
}

/** Output of an attempt that is on its way into the log: text is joined until something else comes, or it is taken. */
export class PendingOutput {
  /** Says which deployment it is from, with the first that is shown from now on. */
  served: ServedPayload | undefined
  // 0 is the attempt's start.
  #seq = 1
  #text = ''
  #entries: string[] = []

  get isPending(): boolean {
    return this.#text !== '' || this.#entries.length > 0
  }

  text(part: string): void {
    this.show()
    this.#text += part
  }

  push(kind: LogKind, payload: string): void {
    this.#closeText()
    this.#entries.push(kind, payload)
  }

  /** To be called before anything that a reader sees. */
  show(): void {
    if (this.served === undefined) return
    this.push('m', JSON.stringify(this.served))
    this.served = undefined
  }

  take(): Batch {
    this.#closeText()
    const batch = { first: this.#seq, entries: this.#entries }
    this.#seq += this.#entries.length / 2
    this.#entries = []
    return batch
  }

  clear(): void {
    this.#text = ''
    this.#entries = []
  }

  #closeText(): void {
    if (this.#text === '') return
    this.#entries.push('t', this.#text)
    this.#text = ''
  }
}
