import type { ServerResponse } from 'node:http'
import {
  type ChoiceDelta,
  type EndPayload,
  type ErrorDetail,
  InferqError,
  type JobSpec,
  type LogEntry,
} from '@inferq/contracts'
import { endHeaders, type Headers, jobHeaders } from './answer-headers.ts'
import type { Beating } from './beat-wheel.ts'
import type { IngressCore } from './dependencies.ts'
import { type AnswerDialect, openAiDialect } from './dialects/answer-dialect.ts'
import type { ChunkEncoder } from './dialects/chunk-encoder.ts'
import type { JoinPoint } from './earlier-job.ts'
import { Exchange, type ExchangeHandler, type ExchangeOutcome } from './exchange.ts'
import { errorOfEnd } from './job-end.ts'
import { noteEnd, type RequestFacts } from './request-facts.ts'
import { heartbeatComment, SseWriter, sseHeaders } from './sse.ts'
import { startOrEnqueue, toDetail } from './submit.ts'

/**
 * Runs an interactive job and streams its output as it comes. Resolves when the answer is over.
 * Rejects with InferqError as long as nothing was sent, so that the failure can be a real status; later failures are
 * error events.
 * @param headers go out with the first byte
 * @param join the job is there already: stream it from its beginning
 * @param dialect default: OpenAI's
 */
export async function answerStream(
  core: IngressCore,
  spec: JobSpec,
  raw: ServerResponse,
  headers: Headers,
  facts: RequestFacts,
  join?: JoinPoint,
  dialect: AnswerDialect = openAiDialect(spec.request),
): Promise<void> {
  const answer = new StreamAnswer(core, spec, raw, headers, facts, join, dialect)
  await answer.run()
}

class StreamAnswer implements ExchangeHandler, Beating {
  slot: Set<Beating> | undefined
  readonly #core: IngressCore
  readonly #spec: JobSpec
  readonly #headers: Headers
  readonly #facts: RequestFacts
  readonly #joins: boolean
  readonly #dialect: AnswerDialect
  readonly #exchange: Exchange
  readonly #writer: SseWriter
  readonly #settled = Promise.withResolvers<void>()
  #encoder: ChunkEncoder
  /** The client has waited for as long as it shall without a sign. */
  #isDue = false
  #isQueued: boolean
  #committed = false
  /** The client has seen output: from here on nothing can be taken back. */
  #shown = false
  #silentBeats = 0
  #cancelCommit: (() => void) | undefined

  constructor(
    core: IngressCore,
    spec: JobSpec,
    raw: ServerResponse,
    headers: Headers,
    facts: RequestFacts,
    join: JoinPoint | undefined,
    dialect: AnswerDialect,
  ) {
    this.#dialect = dialect
    this.#core = core
    this.#joins = join !== undefined
    this.#isQueued = this.#joins
    this.#spec = spec
    this.#headers = headers
    this.#facts = facts
    this.#encoder = dialect.encoder(spec)
    this.#exchange = new Exchange(core, spec, raw, this, join)
    this.#writer = new SseWriter(raw, { clock: core.clock, slowClientMs: core.options.slowClientMs }, this)
  }

  async run(): Promise<void> {
    const { clock, options } = this.#core
    this.#exchange.start()
    this.#cancelCommit = clock.after(options.commitAfterMs, () => {
      this.#isDue = true
      this.#commitWaiting()
    })
    if (!this.#joins) {
      startOrEnqueue(this.#core, this.#spec).then(
        () => {
          this.#isQueued = true
          this.#commitWaiting()
        },
        (thrown: unknown) => this.#exchange.refuse(toDetail(thrown)),
      )
    }
    await this.#settled.promise
  }

  /** Nothing to show yet, and Redis has the job: until then it may still turn out that it has to be refused. */
  #commitWaiting(): void {
    if (!this.#isDue || !this.#isQueued || this.#committed) return
    this.#commit(jobHeaders(this.#spec, this.#exchange.track))
    // The headers leave with the first write.
    if (this.#exchange.track.waiting) this.beat()
    else this.#writer.writeComment(heartbeatComment)
  }

  onEntries(entries: readonly LogEntry[]): boolean {
    let text = ''
    for (const { kind, payload } of entries) {
      if (kind === 't') text += this.#encoder.text(payload)
      else if (kind === 'd') text += this.#encoder.deltas(JSON.parse(payload) as ChoiceDelta[])
      else if (kind === 'x') {
        if (this.#shown) {
          this.#exchange.abandon(interrupted)
          return true
        }
        text = ''
        this.#encoder = this.#dialect.encoder(this.#spec)
      }
    }
    if (text === '') return true
    this.#shown = true
    this.#silentBeats = 0
    if (!this.#committed) this.#commit(jobHeaders(this.#spec, this.#exchange.track))
    return this.#writer.write(text)
  }

  onOutcome(outcome: ExchangeOutcome): void {
    this.#cancelCommit?.()
    this.#isDue = false
    this.#core.beats.remove(this)
    switch (outcome.kind) {
      case 'disconnected':
        this.#settled.resolve()
        return
      case 'failed':
        this.#facts.jobHeaders = jobHeaders(this.#spec, this.#exchange.track)
        this.#fail(outcome.error)
        return
      case 'ended': {
        const { end, status } = outcome
        noteEnd(this.#facts, this.#spec.createdAt, this.#exchange.track, end)
        if (status === 'completed') {
          this.#complete(end)
          return
        }
        this.#facts.jobHeaders = endHeaders(this.#spec, this.#exchange.track, end, this.#core.clock.now())
        this.#fail(errorOfEnd(status, end))
        return
      }
      default:
        outcome satisfies never
    }
  }

  onDrain(): void {
    this.#exchange.resume()
  }

  beat(): void {
    const { track } = this.#exchange
    if (track.waiting) {
      this.#core.background.run('position', this.#tellPosition())
    } else if (++this.#silentBeats >= this.#core.options.heartbeatBeats) {
      this.#silentBeats = 0
      this.#writer.writeComment(heartbeatComment)
    }
  }

  async #tellPosition(): Promise<void> {
    const text = await this.#core.positions.commentFor(this.#exchange.track)
    if (this.#exchange.track.waiting) this.#writer.writeComment(text)
  }

  #commit(headers: Headers): void {
    if (this.#committed) return
    this.#committed = true
    this.#cancelCommit?.()
    this.#writer.start({ ...this.#headers, ...sseHeaders, ...headers })
    this.#core.beats.add(this)
  }

  #complete(end: EndPayload): void {
    if (!this.#committed) this.#commit(endHeaders(this.#spec, this.#exchange.track, end, this.#core.clock.now()))
    this.#writer.end(this.#encoder.end(end))
    this.#settled.resolve()
  }

  #fail(error: ErrorDetail): void {
    this.#facts.errorCode = error.code
    if (this.#committed) {
      this.#writer.end(this.#dialect.error(error))
      this.#settled.resolve()
    } else {
      this.#settled.reject(new InferqError(error))
    }
  }
}

const interrupted: ErrorDetail = {
  code: 'stream_interrupted',
  message: 'The answer broke off and would have to start over. Please send the request again.',
}
