import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { closeRedis, createRedis, createSilentLog, type EmbeddedRedis, startEmbeddedRedis } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  call,
  createInstallation,
  createMember,
  deadline,
  fail,
  type Installation,
  type Member,
  rule,
  stateOf,
  succeed,
} from './support.ts'

const id = 'chat/openai/gpt'
const cacheDir = joinPath(import.meta.dirname, '../../../.inferq/cache')

let dataDir: string
let server: EmbeddedRedis

async function startRedis(): Promise<void> {
  server = await startEmbeddedRedis({ dataDir: joinPath(dataDir, 'redis'), cacheDir, log: createSilentLog() })
}

beforeEach(async () => {
  dataDir = await mkdtemp(joinPath(tmpdir(), 'inferq-health-'))
  await startRedis()
})
afterEach(async () => {
  await server.stop()
  await rm(dataDir, { recursive: true, force: true })
})

/** Commands that the server has run on behalf of clients. */
async function commandCounts({ redis }: Installation): Promise<Readonly<Record<string, number>>> {
  const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)
  return Object.fromEntries(Array.from(lines, ([, name, calls]) => [name ?? '', Number(calls)]))
}

describe('a healthy deployment', () => {
  it('costs no command of Redis for a call, and one a turn to tell of all', async () => {
    const installation = await createInstallation(server.url)
    const a = await installation.join({ timing: { turnMs: 3_600_000, refreshMs: 3_600_000 } })
    // The first turn comes with the start.
    await until(async () => ((await commandCounts(installation))['zrevrangebyscore'] ?? 0) > 0)
    const before = await commandCounts(installation)
    for (let i = 0; i < 500; i++) {
      const report = await call(a, id)
      report.responded(3)
      report.succeeded({ latencyMs: 5, tokens: 10 })
    }
    const { info: _before, ...countsBefore } = before
    const { info: _after, ...countsAfter } = await commandCounts(installation)
    expect(countsAfter).toEqual(countsBefore)
    expect(a.health.stats(id).requests).toBe(500)
    await a.health.stop({ signal: AbortSignal.timeout(1_000), timeoutMs: 1_000 })
    const counts = await installation.redis.hgetall(installation.keys.failures(id))
    expect(Object.values(counts)).toEqual(['500'])
    const { evalsha = 0, eval: evaluated = 0 } = await commandCounts(installation)
    const { evalsha: evalshaBefore = 0, eval: evaluatedBefore = 0 } = before
    expect(evalsha + evaluated - evalshaBefore - evaluatedBefore).toBe(1)
  })
})

describe('while Redis is away', () => {
  async function goAway(...members: readonly Member[]): Promise<void> {
    await server.stop()
    // Within two seconds a connection that comes back may still bring its replies.
    await until(() => members.every(({ events }) => events.some(({ event }) => event === 'health-not-shared')))
  }

  it('each process goes on by what it sees, and what it saw is merged when Redis is back', async () => {
    const installation = await createInstallation(server.url)
    const [a, b] = [await installation.join(), await installation.join()]
    await succeed(a, id)
    await goAway(a, b)
    await fail(a, id)
    await fail(a, id)
    expect(stateOf(a, id)).toBe('closed')
    await fail(a, id)
    expect(a.health.circuit(id)).toMatchObject({ state: 'open', reason: 'upstream_error' })
    expect(await a.health.admit(id)).toMatchObject({ kind: 'open' })
    await fail(b, id)
    expect(stateOf(b, id)).toBe('closed')
    expect(a.health.stats(id).requests).toBe(4)

    await startRedis()
    await until(() => stateOf(b, id) === 'open')
    await until(() => a.events.some(({ event }) => event === 'health-shared-again'))
    expect(stateOf(a, id)).toBe('open')
    const alone = a.events.filter(({ event, fields }) => event === 'circuit-changed' && fields['alone'] === true)
    expect(alone).toMatchObject([{ fields: { deployment: id, to: 'open' } }])
    const lost = [a, b].map(({ events }) => events.filter(({ event }) => event === 'health-not-shared').length)
    expect(lost).toEqual([1, 1])
    await until(() => b.health.stats(id).requests === 5)
  })

  it('probes for itself, and closes and opens for itself', async () => {
    const installation = await createInstallation(server.url, { cooldownSeconds: 0.3, allowedFails: 2 })
    const a = await installation.join()
    await goAway(a)
    await fail(a, id)
    await fail(a, id)
    await until(() => stateOf(a, id) === 'half_open')
    const [probe, other] = await Promise.all([a.health.admit(id), a.health.admit(id)])
    expect(other).toMatchObject({ kind: 'open' })
    if (probe.kind !== 'admitted') throw new Error('no probe')
    probe.call.failed({ code: 'upstream_timeout', message: 'Too late.' })
    expect(stateOf(a, id)).toBe('open')
    await until(() => stateOf(a, id) === 'half_open')
    await succeed(a, id)
    expect(stateOf(a, id)).toBe('closed')
    await fail(a, id, 'rate_limit_exceeded', 0.3)
    expect(stateOf(a, id)).toBe('open')
    await until(() => stateOf(a, id) === 'half_open')
    const abandoned = await call(a, id)
    abandoned.abandoned()
    await succeed(a, id)
    expect(stateOf(a, id)).toBe('closed')
  })

  it('an open circuit stays known, ends by the clock, and its probe goes on alone', async () => {
    const installation = await createInstallation(server.url, { cooldownSeconds: 1 })
    const [a, b] = [await installation.join(), await installation.join()]
    for (let i = 0; i < 3; i++) await fail(a, id)
    await until(() => stateOf(b, id) === 'open')
    await goAway(a, b)
    await until(() => stateOf(b, id) === 'half_open')
    await succeed(b, id)
    expect(stateOf(b, id)).toBe('closed')
    // Redis still has it half open; whoever calls next probes for all.
    await startRedis()
    await until(() => b.events.some(({ event }) => event === 'health-shared-again'))
    await until(async () => {
      const admission = await b.health.admit(id)
      if (admission.kind === 'admitted') admission.call.succeeded({ latencyMs: 1, tokens: 1 })
      return stateOf(a, id) === 'closed'
    })
  })

  it('keeps one tally for each deployment, however many calls end', async () => {
    const installation = await createInstallation(server.url, { allowedFails: 100_000, minCalls: 100_000 })
    const a = await installation.join()
    await goAway(a)
    for (let i = 0; i < 2_000; i++) await fail(a, id)
    await startRedis()
    const text = await until(() => installation.redis.hget(installation.keys.circuits(), id).catch((): null => null))
    expect(text).toMatch(/^1 .*"failures":2000/)
  })

  it('starts without it, ends without it, and shares when it comes', async () => {
    const installation = await createInstallation(server.url)
    const a = await installation.join()
    await goAway(a)
    const connect = (role: 'command' | 'subscriber') => createRedis({ url: server.url, role, log: createSilentLog() })
    const [early, brief] = [0, 1].map(() =>
      createMember(connect('command'), connect('subscriber'), installation.keys, rule, {}),
    ) as [Member, Member]
    onTestFinished(async () => {
      await early.health.stop(deadline)
      const connections = [early.redis, early.subscriber, brief.redis, brief.subscriber]
      await Promise.all(connections.map((connection) => closeRedis(connection)))
    })
    await Promise.all([early.health.start(), brief.health.start()])
    for (let i = 0; i < 3; i++) await fail(brief, id)
    expect(stateOf(brief, id)).toBe('open')
    await brief.health.stop(deadline)

    await startRedis()
    for (let i = 0; i < 3; i++) await fail(early, 'other')
    await until(() => a.health.circuit('other').state === 'open')
    await until(() => early.events.some(({ event }) => event === 'health-shared-again'))
  })

  it('begins anew with a Redis that has lost its data', async () => {
    const installation = await createInstallation(server.url)
    const [a, b] = [await installation.join(), await installation.join()]
    for (let i = 0; i < 3; i++) await fail(a, 'other')
    for (let i = 0; i < 3; i++) await fail(a, id)
    await until(() => stateOf(b, id) === 'open' && stateOf(b, 'other') === 'open')
    await installation.redis.flushall()
    await until(() => stateOf(a, id) === 'closed' && stateOf(b, id) === 'closed')
    for (let i = 0; i < 3; i++) await fail(b, id)
    await until(() => stateOf(a, id) === 'open')
  })
})
