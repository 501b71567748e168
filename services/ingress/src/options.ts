/** Times and bounds of an ingress; all have defaults. */
export interface IngressOptions {
  /** A stream that has nothing to show by then answers 200 and sends comments; earlier failures are real status codes. */
  readonly commitAfterMs: number
  /** Between two position comments to somebody who waits. */
  readonly beatMs: number
  /** A silent stream gets a heartbeat comment every so many beats. */
  readonly heartbeatBeats: number
  /** A client that takes nothing for this long is cut off. */
  readonly slowClientMs: number
  /** An interactive request ends by then. */
  readonly interactiveMs: number
  /** An asynchronous job that says nothing else ends by then. */
  readonly asyncMs: number
  /** How often a reader looks for a log that is not there yet (or no more), and how many times. */
  readonly orphanRetryMs: number
  readonly orphanTries: number
  /** Longest wait of `Prefer: wait`. */
  readonly maxWaitSeconds: number
  /** How long others with the same Idempotency-Key wait for what the first one makes to be there at all. */
  readonly idempotencyLeaseMs: number
  /** A key is remembered for this long. */
  readonly idempotencyKeepMs: number
  /** How often somebody looks for batches to read or to write out; a new one is looked at at once. */
  readonly batchEveryMs: number
  /** Between two looks for files that are past their time. */
  readonly sweepEveryMs: number
  /**
   * How long a stopping ingress that somebody asks for its readiness still takes new connections, while it answers that it
   * is not ready: balancers need that long to notice. Without anybody who asks there is nobody to wait for.
   */
  readonly stopDelayMs: number
  /** Believe `x-forwarded-*`. */
  readonly trustProxy: boolean
  /** Where this ingress is reached from outside, for the URLs in answers; otherwise as the request came. */
  readonly publicUrl?: string
  /** A secret: opens `/autoscale` and nothing else. */
  readonly autoscaleKey?: string
}

export const defaultOptions: IngressOptions = {
  commitAfterMs: 1_000,
  beatMs: 5_000,
  heartbeatBeats: 3,
  slowClientMs: 30_000,
  interactiveMs: 600_000,
  asyncMs: 86_400_000,
  orphanRetryMs: 1_000,
  orphanTries: 300,
  maxWaitSeconds: 600,
  idempotencyLeaseMs: 5_000,
  idempotencyKeepMs: 86_400_000,
  batchEveryMs: 1_000,
  sweepEveryMs: 60_000,
  stopDelayMs: 0,
  trustProxy: false,
}
