/** A vLLM server in virtual time: steps of a batch, a queue, a KV cache that throws requests out when it is full. */
export interface ModelServer {
  /** False: its queue is full. */
  submit(request: ModelRequest): boolean
  /** Lets time pass; gives the requests that have ended. */
  advance(ms: number): readonly ModelRequest[]
  resize(curve: Partial<BatchCurve>): void
  readonly running: number
  readonly waiting: number
  readonly kvUsage: number
  readonly preemptions: number
  /** Of requests that have ended. */
  readonly answeredTokens: number
}

export interface ModelRequest {
  readonly id: number
  readonly promptTokens: number
  readonly outputTokens: number
  generated: number
}

/** A step takes `baseMs`, and more with each request in the batch and each token of a prompt. */
export interface BatchCurve {
  readonly baseMs: number
  readonly perRequestMs: number
  readonly perPromptTokenMs: number
  readonly maxRequests: number
  readonly maxQueued: number
  readonly kvTokens: number
}

const promptTokensAStep = 2_048

export function createModelServer(first: BatchCurve): ModelServer {
  let curve = first
  const waiting: ModelRequest[] = []
  const running: ModelRequest[] = []
  /** Tokens of each one's prompt (and what it had generated when it was thrown out) still to be read. */
  const unread = new Map<ModelRequest, number>()
  let nowMs = 0
  let stepEndsMs = 0
  let preemptions = 0
  let answeredTokens = 0
  const held = (request: ModelRequest): number => request.promptTokens + request.generated
  let kvTokens = 0

  const admit = (): void => {
    while (running.length < curve.maxRequests) {
      const [next] = waiting
      if (next === undefined || (running.length > 0 && kvTokens + held(next) > 0.99 * curve.kvTokens)) return
      waiting.shift()
      running.push(next)
      unread.set(next, held(next))
      kvTokens += held(next)
    }
  }

  /** One step of the engine; gives how long it takes and who has ended with it. */
  const step = (): { readonly ms: number; readonly ended: readonly ModelRequest[] } => {
    admit()
    let budget = promptTokensAStep
    let read = 0
    for (const request of running) {
      const left = unread.get(request) ?? 0
      if (left === 0) {
        request.generated++
        kvTokens++
        continue
      }
      const now = Math.min(left, budget)
      budget -= now
      read += now
      unread.set(request, left - now)
    }
    while (running.length > 1 && kvTokens > curve.kvTokens) {
      const last = running.pop()
      if (last === undefined) break
      kvTokens -= held(last)
      waiting.unshift(last)
      preemptions++
    }
    const ended = running.filter((request) => request.generated >= request.outputTokens)
    for (const request of ended) {
      running.splice(running.indexOf(request), 1)
      unread.delete(request)
      kvTokens -= held(request)
      answeredTokens += request.outputTokens
    }
    const ms = curve.baseMs + curve.perRequestMs * running.length + curve.perPromptTokenMs * read
    return { ms, ended }
  }

  return {
    submit(request) {
      if (waiting.length >= curve.maxQueued && running.length > 0) return false
      waiting.push(request)
      return true
    },
    advance(ms) {
      const until = nowMs + ms
      const ended: ModelRequest[] = []
      while (nowMs < until) {
        if (running.length === 0 && waiting.length === 0) stepEndsMs = until
        if (stepEndsMs <= nowMs && (running.length > 0 || waiting.length > 0)) {
          const made = step()
          ended.push(...made.ended)
          stepEndsMs = nowMs + made.ms
        }
        nowMs = Math.min(until, stepEndsMs)
      }
      return ended
    },
    resize(change) {
      curve = { ...curve, ...change }
    },
    get running() {
      return running.length
    },
    get waiting() {
      return waiting.length
    },
    get kvUsage() {
      return Math.min(1, kvTokens / curve.kvTokens)
    },
    get preemptions() {
      return preemptions
    },
    get answeredTokens() {
      return answeredTokens
    },
  }
}
