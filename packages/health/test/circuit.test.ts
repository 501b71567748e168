import { type ErrorCode, errorTable } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { describe, expect, it } from 'vitest'
import type { CallReport } from '../src/index.ts'
import {
  call,
  cooldownEnds,
  createInstallation,
  createSkewedClock,
  fail,
  type Installation,
  type Member,
  stateOf,
  succeed,
} from './support.ts'

const id = 'chat/openai/gpt'

async function allSee(state: string, ...members: readonly Member[]): Promise<void> {
  await until(() => members.every((member) => stateOf(member, id) === state))
}

/** What Redis keeps of the deployment; empty when its circuit is closed and no failure is known. */
async function record({ redis, keys }: Installation): Promise<string> {
  return (await redis.hget(keys.circuits(), id)) ?? ''
}

const counted: readonly ErrorCode[] = [
  'upstream_error',
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_malformed',
  'upstream_interrupted',
  'upstream_authentication',
  'upstream_not_found',
]

describe('a circuit', () => {
  it('opens for everyone after consecutive failures, whichever process had them', async () => {
    const { join } = await createInstallation()
    const [a, b, c] = [await join(), await join(), await join()]
    await fail(a, id)
    await fail(b, id, 'upstream_unreachable')
    expect(stateOf(c, id)).toBe('closed')
    await fail(a, id, 'upstream_timeout')
    await allSee('open', a, b, c)
    const circuit = c.health.circuit(id)
    expect(circuit).toMatchObject({ state: 'open', reason: expect.stringContaining('upstream_') })
    if (circuit.state !== 'open') return
    expect(Math.abs(circuit.until - Date.now() - 30_000)).toBeLessThan(15_000)
    expect(await b.health.admit(id)).toEqual({ kind: 'open', until: expect.any(Number), reason: circuit.reason })
    expect([...c.health.circuits().keys()]).toEqual([id])
    expect(stateOf(c, 'chat/openai/other')).toBe('closed')
  })

  it('is open at once for the process that had the last failure, and admits without a wait while closed', async () => {
    const { join } = await createInstallation()
    const a = await join()
    for (let i = 0; i < 3; i++) {
      const admission = a.health.admit(id)
      if (admission instanceof Promise || admission.kind !== 'admitted') throw new Error('it waits')
      admission.call.failed({ code: 'upstream_error', message: 'It failed.' })
    }
    expect(stateOf(a, id)).toBe('open')
  })

  it('is told of by the process that made the change, once', async () => {
    const { join } = await createInstallation()
    const [a, b] = [await join(), await join()]
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, b)
    await until(() => a.events.some(({ event }) => event === 'circuit-changed'))
    const told = [a, b].flatMap(({ events }) => events.filter(({ event }) => event === 'circuit-changed'))
    expect(told.map(({ fields }) => fields)).toEqual([
      { deployment: id, to: 'open', reason: 'upstream_error', alone: false },
    ])
    expect(await a.render()).toContain(`inferq_circuit_transitions_total{deployment="${id}",to="open"} 1`)
    await until(async () => (await b.render()).includes(`inferq_deployment_circuit{deployment="${id}"} 2`))
  })

  it('counts answers that broke off together as one failure, and those begun later each for itself', async () => {
    const installation = await createInstallation()
    const a = await installation.join()
    const breakOff = (report: CallReport): void => {
      report.failed({ code: 'upstream_interrupted', message: 'It broke off.' })
    }
    const together = await Promise.all(Array.from({ length: 16 }, () => call(a, id)))
    for (const report of together) report.responded(5)
    for (const report of together) breakOff(report)
    await until(async () => (await record(installation)).includes('"failures":1'))
    expect(stateOf(a, id)).toBe('closed')
    for (const failures of [2, 3]) {
      const later = await call(a, id)
      later.responded(5)
      breakOff(later)
      await until(async () => (await record(installation)).includes(`"failures":${failures}`))
    }
    expect(stateOf(a, id)).toBe('open')
  })

  it('counts every call that failed before it answered, however many were under way', async () => {
    const { join } = await createInstallation()
    const a = await join()
    for (const report of await Promise.all([call(a, id), call(a, id), call(a, id)])) {
      report.failed({ code: 'upstream_unreachable', message: 'It failed.' })
    }
    expect(stateOf(a, id)).toBe('open')
  })

  it('stays closed when a success of any process comes between the failures', async () => {
    const installation = await createInstallation()
    const [a, b] = [await installation.join(), await installation.join()]
    await fail(a, id)
    await fail(a, id)
    await until(async () => (await record(installation)).includes('"failures":2'))
    await until(async () => {
      await succeed(b, id)
      return (await record(installation)) === ''
    })
    for (const failures of [1, 2]) {
      await fail(a, id)
      await until(async () => (await record(installation)).includes(`"failures":${failures}`))
      // It may not have heard of the success when it fails, and be careful until Redis answers.
      await allSee('closed', a, b)
    }
  })

  it('opens by the share of failures, once there are calls enough', async () => {
    const installation = await createInstallation(undefined, { allowedFails: 1_000, failureRate: 0.5, minCalls: 8 })
    const [a, b] = [await installation.join(), await installation.join()]
    const alternate = async (): Promise<void> => {
      await succeed(a, id)
      await fail(b, id)
    }
    for (let i = 0; i < 3; i++) await alternate()
    const calls = async (): Promise<number> => {
      const counts = await installation.redis.hgetall(installation.keys.failures(id))
      return Object.entries(counts).reduce((sum, [name, count]) => sum + (name.startsWith('c') ? Number(count) : 0), 0)
    }
    await until(async () => (await calls()) === 6)
    expect(stateOf(b, id)).toBe('closed')
    await succeed(a, id)
    await until(async () => (await calls()) === 7)
    await fail(b, id)
    await allSee('open', a, b)
  })

  it('does not open by a small share of failures, even though they are told before the successes', async () => {
    const installation = await createInstallation(undefined, { allowedFails: 1_000, failureRate: 0.5, minCalls: 2 })
    const a = await installation.join({ timing: { turnMs: 60_000, refreshMs: 60_000 } })
    for (let i = 0; i < 8; i++) await succeed(a, id)
    for (let i = 0; i < 5; i++) await fail(a, id)
    await until(async () => (await record(installation)).includes('"failures":5'))
    expect(stateOf(a, id)).toBe('closed')
  })

  it.each(counted)('opens by %s', async (code) => {
    const { join } = await createInstallation(undefined, { allowedFails: 1 })
    const a = await join()
    await fail(a, id, code)
    expect(a.health.circuit(id)).toMatchObject({ state: 'open', reason: code })
  })

  it('does not open by what is the fault of the request, of us, or of a busy moment', async () => {
    const installation = await createInstallation(undefined, { allowedFails: 1 })
    const [a, b] = [await installation.join(), await installation.join()]
    const codes = Object.keys(errorTable) as ErrorCode[]
    for (const code of codes) if (!counted.includes(code)) await fail(a, id, code)
    const report = await call(a, id)
    report.abandoned()
    expect(stateOf(a, id)).toBe('closed')
    // What was told before is in Redis now.
    await fail(a, 'marker')
    await until(() => stateOf(b, 'marker') === 'open')
    expect(stateOf(b, id)).toBe('closed')
  })

  it.each(['rate_limit_exceeded', 'upstream_overloaded'] as const)(
    'opens at once for as long as a Retry-After with %s says, and no longer',
    async (code) => {
      const installation = await createInstallation()
      const [a, b] = [await installation.join(), await installation.join()]
      await fail(a, id, code, 25)
      await allSee('open', a, b)
      const circuit = b.health.circuit(id)
      expect(circuit).toMatchObject({ state: 'open', reason: code })
      if (circuit.state === 'open') expect(circuit.until - Date.now()).toBeLessThanOrEqual(25_050)
      await cooldownEnds(installation, id)
      await allSee('half_open', a, b)
      await succeed(b, id)
      await allSee('closed', a, b)
    },
  )

  it('never opens when breakers are off', async () => {
    const { join } = await createInstallation(undefined, { enabled: false, allowedFails: 1 })
    const a = await join()
    for (let i = 0; i < 5; i++) await fail(a, id)
    await fail(a, id, 'rate_limit_exceeded', 60)
    expect(stateOf(a, id)).toBe('closed')
    expect(a.health.circuits().size).toBe(0)
    expect(a.health.stats(id).requests).toBe(6)
  })

  it('is closed by hand for everyone', async () => {
    const { join } = await createInstallation()
    const [a, b] = [await join(), await join()]
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, b)
    await b.health.reset(id)
    await allSee('closed', a, b)
  })

  it('counts a call once, however often its end is told', async () => {
    const installation = await createInstallation()
    const a = await installation.join()
    const report = await call(a, id)
    for (let i = 0; i < 5; i++) report.failed({ code: 'upstream_error', message: 'It failed.' })
    report.succeeded({ latencyMs: 1, tokens: 1 })
    await until(async () => (await record(installation)).includes('"failures":1'))
    expect(a.health.stats(id)).toMatchObject({ inFlight: 0, requests: 1, tokens: 0 })
  })

  it('takes no notice of how calls end that were let in before it opened', async () => {
    const installation = await createInstallation()
    const [a, b] = [await installation.join(), await installation.join()]
    const early = await Promise.all([call(b, id), call(b, id)])
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, b)
    const before = await record(installation)
    early[0].succeeded({ latencyMs: undefined, tokens: 1 })
    early[1].failed({ code: 'upstream_error', message: 'It failed.' })
    await fail(b, 'marker')
    await until(async () => (await installation.redis.hexists(installation.keys.circuits(), 'marker')) === 1)
    expect(await record(installation)).toBe(before)
    expect(stateOf(b, id)).toBe('open')
  })

  it('ends at the same moment for processes whose clocks differ', async () => {
    const { join } = await createInstallation()
    const hour = 3_600_000
    const [a, late] = [await join(), await join({ clock: createSkewedClock(-hour) })]
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, late)
    const [ours, theirs] = [a, late].map(({ health }) => health.circuit(id))
    if (ours?.state !== 'open' || theirs?.state !== 'open') throw new Error('not open')
    expect(Math.abs(ours.until - hour - theirs.until)).toBeLessThan(60_000)
  })

  it('is heard of without asking', async () => {
    const { join } = await createInstallation()
    const timing = { turnMs: 3_600_000, refreshMs: 3_600_000 }
    const [a, b] = [await join({ timing }), await join({ timing })]
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, b)
    await a.health.reset(id)
    await allSee('closed', a, b)
  })

  it('heals what a lost message left wrong', async () => {
    const installation = await createInstallation()
    const [a, deaf] = [await installation.join(), await installation.join()]
    deaf.subscriber.disconnect()
    for (let i = 0; i < 3; i++) await fail(a, id)
    await allSee('open', a, deaf)
    await cooldownEnds(installation, id)
    await allSee('half_open', a, deaf)
    await succeed(a, id)
    await allSee('closed', a, deaf)
  })

  it('is known to a process that starts later', async () => {
    const { join } = await createInstallation()
    const a = await join()
    for (let i = 0; i < 3; i++) await fail(a, id)
    await until(() => a.events.length > 0)
    expect(stateOf(await join(), id)).toBe('open')
  })

  it('is forgotten when nobody has called for long, as are garbled ones', async () => {
    const { join, redis, keys } = await createInstallation()
    const old = Date.now() - 2 * 3_600_000
    await redis.hset(keys.circuits(), {
      gone: `1 {"failures":3,"at":${old},"retryAt":${old + 60_000},"reason":"upstream_error","openings":1}`,
      kept: `2 {"failures":3,"at":${old},"retryAt":${Date.now() + 60_000},"reason":"rate_limit_exceeded"}`,
      garbled: `3 {"failures":"many","at":${Date.now()}}`,
    })
    const a = await join()
    expect([...a.health.circuits().keys()]).toEqual(['kept'])
    await until(async () => (await redis.hexists(keys.circuits(), 'gone')) === 0)
  })
})
