/** Times and bounds of a controller, in ms; all have defaults. */
export interface ControllerOptions {
  /** Outcomes recorded by one statement, at most. */
  readonly batchSize: number
  /** How long a batch that is not full first waits for more; under load up to fifteen times as long. */
  readonly lingerMs: number
  /** Outcomes that another controller holds for this long are taken over. */
  readonly takeOverAfterMs: number
  readonly relayEveryMs: number
  readonly expireEveryMs: number
  readonly reconcileEveryMs: number
  readonly retainEveryMs: number
  /** Longest turn of each of these. */
  readonly turnTimeoutMs: number
  /** How long jobs stay readable after their end; asked at every turn. */
  resultKeepMs(): number
}

export const defaultOptions: ControllerOptions = {
  batchSize: 500,
  lingerMs: 20,
  takeOverAfterMs: 15_000,
  relayEveryMs: 1_000,
  expireEveryMs: 1_000,
  reconcileEveryMs: 2_000,
  retainEveryMs: 60_000,
  turnTimeoutMs: 60_000,
  resultKeepMs: () => 7 * 86_400_000,
}
