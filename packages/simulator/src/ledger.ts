import type { Plan } from './plan.ts'
import type { Script } from './script.ts'
import type { Counters } from './stats.ts'

/** One call that passed validation. */
export interface LedgerCall {
  /** From 1, in the order in which they came. */
  readonly number: number
  /** The `user` of the request; empty where it named none. OpenAI's, vLLM's, Azure's and Ollama's wires. */
  readonly user: string
  readonly model: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  /** Null while it runs. */
  readonly endedAt: number | null
  /** `answered`: to its end. `aborted`, `failed`, `rejected`: as in the counters. */
  readonly outcome: 'answered' | 'aborted' | 'failed' | 'rejected' | 'running'
  /** As the answer tells it; where it does not, or tells no count, the true one. 0 where nothing was generated. */
  readonly promptTokens: number
  readonly completionTokens: number
  /** Both counts are told, or would be were the answer to come to its end, and are whole numbers from 0. */
  readonly tellsUsage: boolean
}

export interface LedgerPage {
  readonly calls: readonly LedgerCall[]
  /** Number of the newest call there is; 0: none. */
  readonly last: number
  /** Calls that are no longer kept. */
  readonly dropped: number
}

/** What a wire says of a call. */
export interface CallNote {
  readonly user: string
  readonly model: string
  /** Whether the answer has a place for usage. */
  readonly hasUsage: boolean
}

type Open = { -readonly [Field in keyof LedgerCall]: LedgerCall[Field] } & { hasUsage: boolean }

const mostCalls = 200_000
const pageCalls = 10_000

const outcomes: { readonly [Counter in keyof Counters]?: LedgerCall['outcome'] } = {
  completed: 'answered',
  aborted: 'aborted',
  failed: 'failed',
  rejected: 'rejected',
}

/** A call while it is written down. */
export interface LedgerEntry {
  planned(plan: Plan, script: Script): void
  /** Takes what the counters of the call are told; those that end it end it here. */
  counted(counter: keyof Counters): void
}

/** Every call with what it cost, the newest 200,000 of them. */
export class Ledger {
  readonly #mostCalls: number
  #calls: (Open | undefined)[] = []
  #last = 0
  #dropped = 0

  constructor(options: { readonly mostCalls?: number } = {}) {
    this.#mostCalls = options.mostCalls ?? mostCalls
  }

  open({ user, model, hasUsage }: CallNote): LedgerEntry {
    this.#last += 1
    const call: Open = {
      number: this.#last,
      user,
      model,
      startedAt: Date.now(),
      endedAt: null,
      outcome: 'running',
      promptTokens: 0,
      completionTokens: 0,
      tellsUsage: false,
      hasUsage,
    }
    const place = this.#last % this.#mostCalls
    if (this.#calls[place] !== undefined) this.#dropped += 1
    this.#calls[place] = call
    return {
      planned: (plan, script) => tell(call, plan, script),
      counted(counter) {
        const outcome = outcomes[counter]
        if (outcome === undefined) return
        call.outcome = outcome
        call.endedAt = Date.now()
      },
    }
  }

  /** Calls with a number above this one, oldest first, 10,000 at most: ask again after the last of them. */
  after(number: number): LedgerPage {
    const calls: LedgerCall[] = []
    const oldest = Math.max(number, this.#last - this.#mostCalls)
    for (let next = oldest + 1; next <= this.#last && calls.length < pageCalls; next += 1) {
      const call = this.#calls[next % this.#mostCalls]
      if (call?.number === next) calls.push(shown(call))
    }
    return { calls, last: this.#last, dropped: this.#dropped }
  }

  /** Forgets all calls; numbers go on. */
  clear(): void {
    this.#calls = []
    this.#dropped = 0
  }
}

function tell(call: Open, plan: Plan, { usage = {}, noUsage }: Script): void {
  const { prompt_tokens: prompt = plan.promptTokens, completion_tokens: completion = plan.completionTokens } = usage
  const isTold = call.hasUsage && noUsage !== true
  call.tellsUsage = isTold && isCount(prompt) && isCount(completion)
  call.promptTokens = isTold && isCount(prompt) ? prompt : plan.promptTokens
  call.completionTokens = isTold && isCount(completion) ? completion : plan.completionTokens
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function shown({ hasUsage: _, ...call }: Open): LedgerCall {
  return call
}
