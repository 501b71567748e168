import { describe, expect, it } from 'vitest'
import { bestStatic, simulate, type Traffic } from './simulation.ts'
import type { BatchCurve } from './vllm-model.ts'

const between = (from: number, to: number) => (random: () => number) => Math.round(from + (to - from) * random())
const chat: Traffic = { promptTokens: between(100, 800), outputTokens: between(50, 500) }
const long: Traffic = { promptTokens: between(200, 400), outputTokens: between(500, 2_000) }
const documents: Traffic = { promptTokens: between(1_500, 3_500), outputTokens: between(50, 300) }

const usual: BatchCurve = {
  ...{ baseMs: 20, perRequestMs: 0.1, perPromptTokenMs: 0.02, maxRequests: 256, maxQueued: 1_000, kvTokens: 400_000 },
}
const curves: Readonly<Record<string, BatchCurve>> = {
  'few requests at once': { ...usual, maxRequests: 48 },
  'a small cache': { ...usual, kvTokens: 60_000 },
  'steps that grow with the batch': {
    ...usual,
    baseMs: 8,
    perRequestMs: 0.6,
    perPromptTokenMs: 0.05,
    kvTokens: 200_000,
  },
  'refusals when four wait': { ...usual, maxRequests: 48, maxQueued: 4 },
}
const traffics = { chat, long, documents }
const cases = Object.keys(curves).flatMap((curve) => Object.keys(traffics).map((traffic) => [curve, traffic] as const))

describe('the gate in virtual time, against a backend with', () => {
  it.each(cases)('%s, for %s: has 90 % of the best setting’s tokens, and no full cache for long', (curve, traffic) => {
    const found = { curve: curves[curve] ?? usual, traffic: traffics[traffic as keyof typeof traffics] }
    const options = { ...found, seconds: 200, warmUpSeconds: 80 }
    const best = bestStatic(options)
    const { tokensPerSecond, fullSeconds, looks } = simulate(options)
    expect(tokensPerSecond / best.tokensPerSecond).toBeGreaterThan(0.9)
    expect(fullSeconds).toBeLessThan(10)
    // The backlog stays in the queue.
    const waiting = looks.slice(80).map((look) => look.waiting)
    expect(waiting.reduce((sum, count) => sum + count, 0) / waiting.length).toBeLessThan(5)
  })
})

const small: BatchCurve = { ...usual, kvTokens: 60_000 }
const rate = (looks: ReturnType<typeof simulate>['looks'], from: number, to: number): number =>
  ((looks[to]?.tokens ?? 0) - (looks[from]?.tokens ?? 0)) / (to - from)

it('the gate follows a cache that is halved, and one that is doubled', () => {
  const changes = { 100: { kvTokens: 30_000 }, 250: { kvTokens: 120_000 } }
  const { looks, fullSeconds } = simulate({ curve: small, traffic: chat, seconds: 400, changes })
  const halved = bestStatic({ curve: { ...small, kvTokens: 30_000 }, traffic: chat, seconds: 150, warmUpSeconds: 50 })
  const doubled = bestStatic({ curve: { ...small, kvTokens: 120_000 }, traffic: chat, seconds: 150, warmUpSeconds: 50 })
  expect(rate(looks, 150, 249)).toBeGreaterThan(0.88 * halved.tokensPerSecond)
  expect(rate(looks, 300, 399)).toBeGreaterThan(0.88 * doubled.tokensPerSecond)
  expect(fullSeconds).toBeLessThan(10)
})

it('the gate follows requests that become six times as long', () => {
  const { looks, preemptions } = simulate({
    curve: small,
    traffic: chat,
    seconds: 300,
    trafficFrom: { 100: documents },
  })
  const best = bestStatic({ curve: small, traffic: documents, seconds: 200, warmUpSeconds: 50 })
  expect(rate(looks, 150, 299)).toBeGreaterThan(0.9 * best.tokensPerSecond)
  expect(preemptions).toBeLessThan(20)
})

it('the gate holds its limit while the load cannot be read, and goes on after', () => {
  const readable = (second: number): boolean => second < 100 || second >= 160
  const { looks } = simulate({ curve: small, traffic: chat, seconds: 250, readable })
  const blind = looks.slice(101, 160).map(({ state }) => state)
  expect(new Set(blind.map(({ limit }) => limit)).size).toBe(1)
  expect(blind.every(({ reason }) => reason === 'metrics_unreadable')).toBe(true)
  expect(looks.at(-1)?.state.reason).not.toBe('metrics_unreadable')
})
