import { InferqError } from '@inferq/contracts'

/** Work that no request waits for, but that a stop does. Failures are logged, never thrown. */
export interface Background {
  run(what: string, work: Promise<unknown>): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

export function createBackground(log: { warn(fields: object, event: string): void }): Background {
  const running = new Set<Promise<void>>()
  return {
    run(what, work) {
      const watched = work
        .then(
          () => {},
          (thrown: unknown) => {
            log.warn(
              { what, code: thrown instanceof InferqError ? thrown.code : 'internal_error' },
              'background-failed',
            )
          },
        )
        .finally(() => running.delete(watched))
      running.add(watched)
    },
    async idle() {
      while (running.size > 0) await Promise.all(running)
    },
  }
}
