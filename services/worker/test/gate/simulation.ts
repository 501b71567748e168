import { decideLimit, firstState, type GateState } from '../../src/gate/decide-limit.ts'
import { createTokenGrowth } from '../../src/gate/token-growth.ts'
import { type BatchCurve, createModelServer, type ModelRequest } from './vllm-model.ts'

export interface Traffic {
  promptTokens(random: () => number): number
  outputTokens(random: () => number): number
}

export interface Simulated {
  /** Answered tokens a second, after the first `warmUpSeconds`. */
  readonly tokensPerSecond: number
  readonly preemptions: number
  /** Most seconds in a row with the KV cache above 0.97. */
  readonly fullSeconds: number
  readonly looks: readonly {
    readonly state: GateState
    readonly kvUsage: number
    readonly waiting: number
    readonly tokens: number
  }[]
}

export interface SimulationOptions {
  readonly curve: BatchCurve
  readonly traffic: Traffic
  readonly seconds: number
  readonly warmUpSeconds?: number
  readonly configured?: number
  /** Undefined: the gate decides. */
  readonly limit?: number
  readonly changes?: Readonly<Record<number, Partial<BatchCurve>>>
  readonly readable?: (second: number) => boolean
  readonly trafficFrom?: Readonly<Record<number, Traffic>>
}

const tickMs = 50

/** A worker with a backlog without end, and its gate, in virtual time. */
export function simulate(options: SimulationOptions): Simulated {
  const { curve, seconds, warmUpSeconds = 0, configured = 512, changes = {}, readable = () => true } = options
  let { traffic } = options
  const random = createRandom(7)
  const server = createModelServer(curve)
  const growth = createTokenGrowth()
  const inFlight = new Map<ModelRequest, number>()
  const looks: Simulated['looks'][number][] = []
  let state = firstState(configured, true)
  let ids = 0
  let rejections = 0
  let preemptions = 0
  let ended = 0
  let warmTokens = 0
  let full = 0
  let fullSeconds = 0
  let refusedUntilMs = 0

  for (let nowMs = 0; nowMs < seconds * 1000; nowMs += tickMs) {
    const limit = options.limit ?? state.limit
    while (inFlight.size < limit && nowMs >= refusedUntilMs) {
      const request = {
        id: ids++,
        promptTokens: traffic.promptTokens(random),
        outputTokens: traffic.outputTokens(random),
        generated: 0,
      }
      if (server.submit(request)) inFlight.set(request, nowMs)
      else {
        rejections++
        refusedUntilMs = nowMs + 200
      }
    }
    for (const request of server.advance(tickMs)) {
      growth.ended(request.outputTokens, nowMs - (inFlight.get(request) ?? nowMs))
      ended++
      inFlight.delete(request)
    }
    if (nowMs % 1000 !== 0) continue
    const second = nowMs / 1000
    const change = changes[second]
    if (change !== undefined) server.resize(change)
    traffic = options.trafficFrom?.[second] ?? traffic
    if (second === warmUpSeconds) warmTokens = server.answeredTokens
    const running = [...inFlight].map(([request, since]) => ({
      promptTokens: request.promptTokens,
      outputTokens: request.generated,
      ageMs: nowMs - since,
    }))
    const load = { waiting: server.waiting, running: server.running, kvUsage: server.kvUsage }
    state = decideLimit(state, {
      ...{ nowMs, configured, inFlight: inFlight.size, hasBacklog: true, rejections, ended },
      load: readable(second) ? load : 'unreadable',
      preemptions: server.preemptions - preemptions,
      growth: growth.growthOf(running),
    })
    rejections = 0
    ended = 0
    preemptions = server.preemptions
    full = server.kvUsage > 0.97 ? full + 1 : 0
    fullSeconds = Math.max(fullSeconds, full)
    looks.push({ state, kvUsage: server.kvUsage, waiting: server.waiting, tokens: server.answeredTokens })
  }
  const tokensPerSecond = (server.answeredTokens - warmTokens) / (seconds - warmUpSeconds)
  return { tokensPerSecond, preemptions: server.preemptions, fullSeconds, looks }
}

/** The best that one setting gives over the whole run. */
export function bestStatic(options: SimulationOptions): { readonly limit: number; readonly tokensPerSecond: number } {
  const limits = [8, 16, 32, 48, 64, 96, 128, 192]
  const runs = limits.map((limit) => ({ limit, tokensPerSecond: simulate({ ...options, limit }).tokensPerSecond }))
  return runs.reduce((best, run) => (run.tokensPerSecond > best.tokensPerSecond ? run : best))
}

/** Numbers in [0, 1), the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}
