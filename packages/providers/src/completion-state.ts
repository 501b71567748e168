import type { ChoiceDelta } from '@inferq/contracts'
import { tooLarge } from './exchange.ts'
import { isVoid, type JsonObject, malformed } from './json.ts'
import type { CompletionSink } from './port.ts'
import type { ReportedUsage, TokenTally } from './usage.ts'

/** Some four million tokens: an output without end, of which every reader would have to be shown every word. In UTF-16 units. */
const maxOutputLength = 16 * 1024 * 1024

/** What has been read of one streamed answer, whichever wire it came over. Tells the sink; knows when nothing is missing. */
export class CompletionState {
  finishReason: string | undefined
  usage: ReportedUsage | undefined
  /** The stream has said that it is over. */
  ended = false
  /** Data events read, and whether one of them held output. */
  progress = 0
  started = false
  readonly #sink: CompletionSink
  readonly #tally: TokenTally
  readonly #finished = new Set<number>()
  #choices: number
  #pending: ChoiceDelta[] = []

  /** `choices`: how many the request asked for. */
  constructor(sink: CompletionSink, tally: TokenTally, choices: number) {
    this.#sink = sink
    this.#tally = tally
    this.#choices = choices
  }

  get state(): 'waiting' | 'reading' | 'whole' | 'done' {
    if (this.ended) return 'done'
    if (this.hasAll) return 'whole'
    return this.started ? 'reading' : 'waiting'
  }

  get hasAll(): boolean {
    return this.ended || this.#finished.size >= this.#choices
  }

  text(text: string): void {
    this.started = true
    this.#tally.add(text)
    this.#checkLength()
    this.#sink.text(text)
  }

  /** Kept until `flush`, so that the choices of one chunk reach the sink together. */
  delta(delta: ChoiceDelta): void {
    this.started = true
    this.#tally.addDeep(delta.delta ?? delta.text)
    this.#checkLength()
    this.#pending.push(delta)
  }

  #checkLength(): void {
    if (this.#tally.length > maxOutputLength) throw tooLarge(`The output is longer than ${maxOutputLength} characters.`)
  }

  finish(index: number, reason: string): void {
    this.#finished.add(index)
    if (index === 0) this.finishReason = reason
  }

  /** A choice beyond those asked for must end as well. */
  choice(index: unknown): number {
    if (index === undefined || index === 0) return 0
    if (typeof index !== 'number' || !Number.isInteger(index) || index < 0 || index > 10_000) {
      throw malformed('The upstream sent a choice with an impossible index.')
    }
    if (index >= this.#choices) this.#choices = index + 1
    return index
  }

  flush(): void {
    if (this.#pending.length === 0) return
    const deltas = this.#pending
    this.#pending = []
    this.#sink.deltas(deltas)
  }
}

/** `object` without what says nothing, and without the fields named. Undefined when nothing is left. */
export function remainder(object: Readonly<JsonObject>, without: ReadonlySet<string>): JsonObject | undefined {
  let rest: JsonObject | undefined
  for (const key in object) {
    const value = object[key]
    if (isVoid(value) || without.has(key)) continue
    rest ??= {}
    rest[key] = value
  }
  return rest
}
