/** Work that is asked for more often than it can be done: one turn runs, and all who ask meanwhile share the next one. */
export interface SharedTurns<Result> {
  /** A turn that begins after this call. `tell` holds for the whole turn when any who share it ask so. */
  ask(tell: boolean): Promise<Result>
  /** Resolves when no turn is under way. */
  idle(): Promise<void>
}

/** `run` must not reject. */
export function createSharedTurns<Result>(run: (tell: boolean) => Promise<Result>): SharedTurns<Result> {
  let running: Promise<Result> | undefined
  let next: { tell: boolean; readonly turn: PromiseWithResolvers<Result> } | undefined

  const start = (tell: boolean): Promise<Result> => {
    const turn = run(tell).finally(() => {
      const shared = next
      next = undefined
      running = undefined
      if (shared !== undefined) start(shared.tell).then(shared.turn.resolve, shared.turn.reject)
    })
    running = turn
    return turn
  }

  return {
    ask(tell) {
      if (running === undefined) return start(tell)
      next ??= { tell: false, turn: Promise.withResolvers<Result>() }
      next.tell ||= tell
      return next.turn.promise
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}
