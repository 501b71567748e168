import type { Percentiles } from '../measure/statistics.ts'

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
  /** About how long the request's body is; absent: as long as its short prompt makes it. */
  readonly bodyBytes?: number
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
      readonly kind: 'open-loop'
      readonly endpoint: Endpoint
      readonly call: ChatCall
      /** Arrivals per second, evenly spaced. */
      readonly rate: number
      readonly durationMs: number
    }
  | {
      readonly kind: 'requests'
      readonly endpoint: Endpoint
      readonly call: ChatCall
      readonly connections: number
      /** How many are sent, in closed loop. */
      readonly count: number
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
      readonly kind: 'stamped-streams'
      readonly endpoint: Endpoint
      /** Of a model that stamps its tokens with the moment of their emission. */
      readonly call: ChatCall
      readonly streams: number
      readonly durationMs: number
      readonly streamMs: number
    }
  | {
      readonly kind: 'fault-load'
      readonly endpoint: Endpoint
      readonly call: ChatCall
      readonly client: FaultClient
      /** Clients, each with one request at a time. */
      readonly clients: number
      readonly durationMs: number
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

/**
 * `sdk`: a chat completion, streamed, sent again as OpenAI's SDKs do by default. `reader`: a job of inferq's, its events
 * read on from the last id after every break.
 */
export type FaultClient = 'sdk' | 'reader'

/** What became of one request under faults. */
export interface FaultedRequest {
  /** Null: its whole right answer came. */
  readonly lost: string | null
  /** An answer to it had begun, or its job was accepted. */
  readonly begun: boolean
  readonly resumed: number
}

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
  readonly 'open-loop': {
    readonly scheduled: number
    /** Answered rightly. */
    readonly completed: number
    /** From the scheduled moment to the end of the answer. */
    readonly p50Ms: number
    readonly p99Ms: number
    readonly faults: Faults
    /** So many were open at once that the rest was not sent. */
    readonly overrun: boolean
    /** How late the load generator itself sent, p99. */
    readonly lateP99Ms: number
  }
  readonly requests: { readonly completed: number; readonly elapsedMs: number; readonly faults: Faults }
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
  readonly 'stamped-streams': {
    readonly completed: number
    readonly firstTokenMs: Percentiles
    /** From the emission of a token to its arrival. */
    readonly delayMs: Percentiles
    readonly tokens: number
    /** Tokens that came together with the one before though emitted apart, as a share of those emitted apart. */
    readonly burstShare: number
    readonly faults: Faults
    readonly most: number
  }
  readonly 'fault-load': {
    readonly requests: readonly FaultedRequest[]
    /** For each client the moments at which text came, in ms since 1970. */
    readonly arrivals: readonly (readonly number[])[]
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
