import type { ServerResponse } from 'node:http'
import { isTerminal, isTerminalKind, type LogEntry, type LogPosition } from '@inferq/contracts'
import type { Following, FollowOptions } from '@inferq/tokenlog'
import type { Headers } from './answer-headers.ts'
import type { Beating } from './beat-wheel.ts'
import type { IngressCore } from './dependencies.ts'
import type { EventFormat } from './dialects/event-format.ts'
import type { JobTrack } from './job-track.ts'
import { comment, heartbeatComment, retryField, SseWriter, sseHeaders } from './sse.ts'

export interface EventReaderOptions {
  readonly jobId: string
  readonly owner: string
  /** The last event the client has. */
  readonly after: LogPosition | null
  readonly track: JobTrack
  readonly format: EventFormat
  /** This is the answer to a request: it goes on while others are sent away to read elsewhere. */
  readonly isAnswer?: boolean
}

/**
 * One reader of a job's events, kept small: most of them wait. It follows the log; where the log is not there (not yet
 * enqueued, or Redis lost it) it asks the record of truth, and waits for the job to be enqueued again.
 * The stream carries exactly one terminal event, or none when the reader shall come back (its client reconnects).
 */
export class EventReader implements FollowOptions, Beating {
  slot: Set<Beating> | undefined
  after: LogPosition | null
  readonly #core: IngressCore
  readonly #options: EventReaderOptions
  readonly #writer: SseWriter
  #following: Following | undefined
  #silentBeats = 0
  #orphanTries = 0
  #cancelRetry: (() => void) | undefined
  #closed = false

  constructor(core: IngressCore, raw: ServerResponse, options: EventReaderOptions) {
    this.#core = core
    this.#options = options
    this.after = options.after
    this.#writer = new SseWriter(raw, { clock: core.clock, slowClientMs: core.options.slowClientMs }, this)
  }

  start(headers: Headers): void {
    const { readers, beats, metrics } = this.#core
    readers.add(this)
    beats.add(this)
    metrics.openStreams.with({ dialect: this.#options.format.name }).inc()
    this.#writer.onClose(() => this.#close())
    this.#writer.start({ ...headers, ...sseHeaders })
    this.#writer.write(retryField)
    this.#follow()
    if (this.#options.track.waiting) this.beat()
  }

  onEntries(entries: readonly LogEntry[]): boolean {
    const { track, format } = this.#options
    let text = ''
    let ended = false
    for (const entry of entries) {
      track.see(entry, 0)
      text += format.encode(entry)
      ended = format.isOver || isTerminalKind(entry.kind)
      if (ended) break
    }
    this.#orphanTries = 0
    this.#silentBeats = 0
    if (ended) {
      this.#writer.end(text)
      this.#close()
      return true
    }
    const last = entries.at(-1)
    if (last !== undefined) this.after = last
    return text === '' || this.#writer.write(text)
  }

  onLost(why: 'gone' | 'unavailable'): void {
    if (this.#closed) return
    if (why === 'unavailable') this.dismiss('the queue does not answer, please reconnect')
    else this.#core.background.run('read-ended-job', this.#askStore())
  }

  onDrain(): void {
    this.#following?.resume()
  }

  beat(): void {
    if (this.#options.track.waiting) {
      this.#core.background.run('position', this.#tellPosition())
    } else if (++this.#silentBeats >= this.#core.options.heartbeatBeats) {
      this.#silentBeats = 0
      this.#writer.writeComment(heartbeatComment)
    }
  }

  get isAnswer(): boolean {
    return this.#options.isAnswer === true
  }

  /** What waits to be sent to this client. */
  get bufferedBytes(): number {
    return this.#writer.bufferedBytes
  }

  /** Ends the stream without a terminal event: the client shall read on from somewhere else, or later. */
  dismiss(why: string): void {
    if (this.#closed) return
    this.#writer.end((this.#options.format.farewell?.(why) ?? '') + comment(why))
    this.#close()
  }

  async #tellPosition(): Promise<void> {
    const text = await this.#core.positions.commentFor(this.#options.track)
    if (this.#options.track.waiting) this.#writer.writeComment(text)
  }

  #follow(): void {
    this.#following = this.#core.follower.follow(this.#options.jobId, this)
  }

  async #askStore(): Promise<void> {
    const { jobId, owner, format } = this.#options
    const lookup = await this.#core.store.getJob(jobId, owner).catch(() => null)
    if (this.#closed) return
    if (lookup?.kind === 'found' && isTerminal(lookup.job.status)) {
      this.#writer.end(format.encodeStored(lookup.job))
      return this.#close()
    }
    if (lookup !== null && lookup.kind !== 'found') return this.dismiss('the job is gone')
    if (++this.#orphanTries > this.#core.options.orphanTries) return this.dismiss('still waiting, please reconnect')
    // Where a log was lost, the new one goes on after all its positions, and begins with a reset.
    this.#cancelRetry = this.#core.clock.after(this.#core.options.orphanRetryMs, () => this.#follow())
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#following?.close()
    this.#cancelRetry?.()
    this.#core.readers.delete(this)
    this.#core.beats.remove(this)
    this.#core.metrics.openStreams.with({ dialect: this.#options.format.name }).dec()
  }
}
