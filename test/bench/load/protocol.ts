/** Where a target listens and what it has to be told. */
export interface Endpoint {
  readonly name: string
  /** Up to and including `/v1`. */
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
}

/** One chat completion, sent again and again, and what a right answer to it says. */
export interface ChatCall {
  readonly model: string
  readonly stream: boolean
  readonly expected: ExpectedAnswer
}

export interface ExpectedAnswer {
  readonly text: string
  readonly tokens: number
}

/** What the load generator can be asked to do. All times in milliseconds. */
export type LoadTask =
  | {
      readonly kind: 'closed-loop'
      readonly endpoint: Endpoint
      readonly call: ChatCall
      readonly connections: number
      readonly durationMs: number
    }
  | {
      readonly kind: 'paired'
      readonly endpoints: readonly Endpoint[]
      readonly call: ChatCall
      readonly rounds: number
      readonly seed: number
    }
  | {
      readonly kind: 'concurrent-streams'
      readonly endpoint: Endpoint
      readonly call: ChatCall
      readonly streams: number
      readonly durationMs: number
      /** How long one stream takes, about: the starts are spread over it. */
      readonly streamMs: number
    }
  | {
      readonly kind: 'submit-loop'
      readonly endpoint: Endpoint
      readonly model: string
      readonly connections: number
      readonly durationMs: number
    }
  | { readonly kind: 'submit-jobs'; readonly endpoint: Endpoint; readonly model: string; readonly count: number }
  | { readonly kind: 'open-readers'; readonly endpoint: Endpoint; readonly jobIds: readonly string[] }
  | { readonly kind: 'close-readers' }

/** How often what went wrong. Empty: every answer was right. */
export type Faults = Readonly<Record<string, number>>

export interface LoadResults {
  readonly 'closed-loop': {
    readonly completed: number
    readonly elapsedMs: number
    readonly p50Ms: number
    readonly p99Ms: number
    readonly faults: Faults
    /** What the load generator itself used meanwhile. */
    readonly cpuSeconds: number
  }
  /** For each endpoint one value per round in which every endpoint answered rightly. */
  readonly paired: {
    readonly totalMs: Readonly<Record<string, readonly number[]>>
    readonly firstTokenMs: Readonly<Record<string, readonly number[]>>
    readonly faults: Faults
  }
  readonly 'concurrent-streams': {
    readonly firstTokenMs: readonly number[]
    readonly faults: Faults
    /** The most that ran at once. */
    readonly most: number
  }
  readonly 'submit-loop': {
    readonly completed: number
    readonly elapsedMs: number
    readonly p50Ms: number
    readonly p99Ms: number
    readonly faults: Faults
  }
  readonly 'submit-jobs': { readonly jobIds: readonly string[]; readonly faults: Faults }
  readonly 'open-readers': { readonly open: number; readonly faults: Faults }
  readonly 'close-readers': { readonly stillOpen: number; readonly faults: Faults }
}

export type LoadReply =
  | { readonly ok: true; readonly result: LoadResults[keyof LoadResults] }
  | { readonly ok: false; readonly message: string }
