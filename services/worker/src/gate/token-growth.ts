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
}

export interface RunningJob {
  readonly promptTokens: number
  /** Undefined: not known before its end. */
  readonly outputTokens: number | undefined
  readonly ageMs: number
}

/** Before anything is known: an answer of so many tokens, which counts like so many jobs. */
const usualOutputTokens = 1_000
const usualDurationMs = 20_000
const usualCounts = 10
/** The newest job's part in what is known: the last hundred or so count. */
const newest = 0.02

export function createTokenGrowth(): TokenGrowth {
  let known = usualCounts
  let outputTokens = usualOutputTokens
  let outputSquares = usualOutputTokens ** 2
  let meanDurationMs = usualDurationMs
  const learn = (old: number, now: number, part: number): number => old + (now - old) * part

  return {
    ended(output, durationMs) {
      known++
      const part = Math.max(newest, 1 / known)
      outputTokens = learn(outputTokens, output, part)
      outputSquares = learn(outputSquares, output ** 2, part)
      meanDurationMs = learn(meanDurationMs, durationMs, part)
    },
    growthOf(running) {
      const prompts = running.reduce((sum, job) => sum + job.promptTokens, 0)
      const outputs = running.reduce((sum, job) => {
        const age = Math.min(1, job.ageMs / Math.max(1, meanDurationMs))
        return sum + (job.outputTokens ?? outputTokens * age)
      }, 0)
      const now = Math.max(1, prompts + outputs)
      // A long answer is in flight for longer, so more of those in flight are long: halfway through E[o²] ÷ E[o].
      const meanOutput = outputSquares / Math.max(1, outputTokens)
      return {
        mean: (prompts + (running.length * meanOutput) / 2) / now,
        peak: (prompts + running.length * meanOutput) / now,
      }
    },
  }
}
