import type { EmbeddingOutcome } from '@inferq/providers'
import type { EmbedCall, Piece } from './embed-call.ts'
import { joinOutcomes } from './outcomes.ts'

/** One job's inputs within a call that may have those of others. */
export interface Part extends Piece {
  readonly call: EmbedCall
  /** They are all that the job has: the part alone is the job's own call. */
  readonly isWhole: boolean
  /** Nobody waits for it any more. */
  readonly isGone: boolean
  /** Calls back, once at most, when nobody waits for it any more. Returns how to forget that. */
  whenGone(callback: () => void): () => void
  succeed(outcome: EmbeddingOutcome): void
  /** Fails its job, and with it the job's other parts. */
  fail(error: unknown): void
}

export interface Member {
  /** One for each piece. */
  readonly parts: readonly Part[]
  /** Of all parts, in order. Rejects with the first failure, or at once with the reason of the job's signal. */
  readonly outcome: Promise<EmbeddingOutcome>
}

/**
 * A job that waits for its parts. `waiting → answered | gone`: gone when a part failed, or its signal was aborted; what
 * comes for it then is dropped.
 */
export function createMember(call: EmbedCall, pieces: readonly Piece[]): Member {
  const outcomes: EmbeddingOutcome[] = []
  const { promise, resolve, reject } = Promise.withResolvers<EmbeddingOutcome>()
  const callbacks = new Set<() => void>()
  let state: 'waiting' | 'answered' | 'gone' = 'waiting'
  let missing = pieces.length

  const go = (reason: unknown): void => {
    if (state !== 'waiting') return
    state = 'gone'
    call.signal.removeEventListener('abort', onAbort)
    reject(reason)
    for (const callback of [...callbacks]) callback()
    callbacks.clear()
  }
  const onAbort = (): void => go(call.signal.reason)
  call.signal.addEventListener('abort', onAbort, { once: true })

  const parts = pieces.map(
    (piece, place): Part => ({
      ...piece,
      call,
      isWhole: pieces.length === 1,
      get isGone() {
        return state === 'gone'
      },
      whenGone(callback) {
        callbacks.add(callback)
        return () => void callbacks.delete(callback)
      },
      succeed(outcome) {
        if (state !== 'waiting') return
        outcomes[place] = outcome
        missing -= 1
        if (missing > 0) return
        state = 'answered'
        call.signal.removeEventListener('abort', onAbort)
        resolve(joinOutcomes(outcomes))
      },
      fail: go,
    }),
  )
  return { parts, outcome: promise }
}
