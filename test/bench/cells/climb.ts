/** A rate that was tried. */
export interface Tried<Outcome> {
  readonly rate: number
  readonly held: boolean
  readonly outcome: Outcome
}

export interface ClimbOptions<Outcome> {
  /** The first rate. */
  readonly start: number
  /** From one rung to the next, above 1. */
  readonly factor: number
  /** How often the gap between the last rung that held and the first that did not is halved. */
  readonly halvings: number
  /** Rungs are tried at most so often. */
  readonly mostTries: number
  /** A rung that does not hold is tried so often in all. */
  readonly triesPerRung: number
  measure(rate: number): Promise<Outcome>
  holds(outcome: Outcome): boolean
}

/**
 * The highest rate that holds: up by a factor until one does not (down, where the first does not), then by halves of the
 * gap, in ratios. Null: none did. One disturbance does not end the climb: a rung has several tries.
 */
export async function climb<Outcome>(
  options: ClimbOptions<Outcome>,
): Promise<{ readonly highest: number | null; readonly tried: readonly Tried<Outcome>[] }> {
  const { factor, mostTries } = options
  const tried: Tried<Outcome>[] = []
  let holding: number | null = null
  let failing: number | null = null

  const step = async (rate: number): Promise<void> => {
    for (let left = options.triesPerRung; left > 0 && tried.length < mostTries; left -= 1) {
      const outcome = await options.measure(rate)
      const held = options.holds(outcome)
      tried.push({ rate, held, outcome })
      if (held) {
        holding = rate
        return
      }
    }
    failing = rate
  }
  for (let rate = options.start; failing === null && tried.length < mostTries; rate *= factor) await step(rate)
  for (let rate = options.start / factor; holding === null && tried.length < mostTries; rate /= factor ** 2) {
    await step(rate)
  }
  for (let halving = 0; halving < options.halvings && tried.length < mostTries; halving += 1) {
    if (holding === null || failing === null) break
    await step(Math.sqrt(holding * failing))
  }
  return { highest: holding, tried }
}
