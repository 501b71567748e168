/** How much of the KV cache jobs come to take, learnt from those that have ended. */
export interface TokenGrowth {
  ended(outputTokens: number, durationMs: number): void
  /** Of these jobs. */
  growthOf(running: readonly RunningJob[]): Growth
}

/** What jobs take of the KV cache, each as a multiple of what those that run take now. */
export interface Growth {
  /** On average over their time in flight: less than 1 when those that run are near their end. */
  readonly mean: number
  /** At their end. */
  readonly peak: number
  /** Enough jobs have ended to know. */
  readonly isKnown: boolean
}

export interface RunningJob {
  readonly promptTokens: number
  /** Undefined: not known before its end. */
  readonly outputTokens: number | undefined
  readonly ageMs: number
}

/** Before anything is known. Short answers end first, so the first to end say too little: this fades as more of them do. */
const usual = { outputTokens: 1_000, outputSquares: 1_000 ** 2, durationMs: 20_000 }
const fadedAfter = 50
/** The newest job's part in what is known: the last fifty or so count. */
const newest = 0.02

export function createTokenGrowth(): TokenGrowth {
  let ended = 0
  let seen = usual

  return {
    ended(outputTokens, durationMs) {
      ended++
      const part = Math.max(newest, 1 / ended)
      seen = blend(seen, { outputTokens, outputSquares: outputTokens ** 2, durationMs }, part)
    },
    growthOf(running) {
      const { outputTokens, outputSquares, durationMs } = blend(usual, seen, Math.min(1, ended / fadedAfter))
      const prompts = running.reduce((sum, job) => sum + job.promptTokens, 0)
      const outputs = running.reduce((sum, job) => {
        const age = Math.min(1, job.ageMs / Math.max(1, durationMs))
        return sum + (job.outputTokens ?? outputTokens * age)
      }, 0)
      const now = Math.max(1, prompts + outputs)
      // A long answer is in flight for longer, so more of those in flight are long: halfway through E[o²] ÷ E[o].
      const meanOutput = outputSquares / Math.max(1, outputTokens)
      return {
        mean: (prompts + (running.length * meanOutput) / 2) / now,
        peak: (prompts + running.length * meanOutput) / now,
        isKnown: ended >= fadedAfter,
      }
    },
  }
}

/** `part` of the second. */
function blend(one: typeof usual, other: typeof usual, part: number): typeof usual {
  const mix = (a: number, b: number): number => a + (b - a) * part
  return {
    outputTokens: mix(one.outputTokens, other.outputTokens),
    outputSquares: mix(one.outputSquares, other.outputSquares),
    durationMs: mix(one.durationMs, other.durationMs),
  }
}
