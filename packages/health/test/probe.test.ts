import { until } from '@inferq/testkit'
import { describe, expect, it } from 'vitest'
import {
  call,
  cooldownEnds,
  createInstallation,
  fail,
  type Installation,
  type Member,
  probeIsDue,
  stateOf,
  succeed,
} from './support.ts'

const id = 'chat/vllm/llama'
const cooldownSeconds = 0.15

async function allSee(state: string, ...members: readonly Member[]): Promise<void> {
  await until(() => members.every((member) => stateOf(member, id) === state))
}

async function untilHalfOpen(first: Member, ...members: readonly Member[]): Promise<void> {
  for (let i = 0; i < 3; i++) await fail(first, id)
  await until(() => first.events.some(({ fields }) => fields['to'] === 'open'))
  await allSee('half_open', first, ...members)
}

describe('a half-open circuit', () => {
  it('lets exactly one of fifty through, over three processes, and tells the others to wait a moment', async () => {
    const { join } = await createInstallation(undefined, { cooldownSeconds })
    const members = [await join(), await join(), await join()]
    const [a, b, c] = members as [Member, Member, Member]
    await untilHalfOpen(a, b, c)
    const ask = () => Promise.all(Array.from({ length: 50 }, async (_, i) => members[i % 3]?.health.admit(id)))
    // Our idea of Redis's clock may be some milliseconds early: then nobody is let in yet.
    const answers = await until(async () => {
      const round = await ask()
      return round.some((answer) => answer?.kind === 'admitted') ? round : undefined
    })
    const admitted = answers.filter((answer) => answer?.kind === 'admitted')
    expect(admitted).toHaveLength(1)
    const later = await ask()
    expect(later.filter((answer) => answer?.kind === 'admitted')).toEqual([])
    for (const answer of [...answers, ...later]) {
      if (answer?.kind !== 'open') continue
      expect(answer.until - Date.now()).toBeLessThan(1_000)
      expect(answer.reason).toBe('upstream_error')
    }
    if (admitted[0]?.kind === 'admitted') admitted[0].call.succeeded({ latencyMs: 5, tokens: 1 })
    await allSee('closed', a, b, c)
    const transitions = members.flatMap(({ events }) => events.map(({ fields }) => fields['to']))
    expect(transitions).toEqual(expect.arrayContaining(['open', 'half_open', 'closed']))
    expect(transitions).toHaveLength(3)
  })

  it('opens again when the probe fails, for twice as long', async () => {
    const installation = await createInstallation(undefined, { cooldownSeconds: 20 })
    const [a, b] = [await installation.join(), await installation.join()]
    for (let i = 0; i < 3; i++) await fail(a, id)
    for (const seconds of [20, 40, 80, 160, 200, 200]) {
      await allSee('open', a, b)
      await until(() => {
        const circuit = b.health.circuit(id)
        return circuit.state === 'open' && Math.abs(circuit.until - Date.now() - seconds * 1_000) < 9_000
      })
      await cooldownEnds(installation, id)
      await allSee('half_open', a, b)
      await fail(b, id, 'upstream_timeout')
      expect(stateOf(b, id)).toBe('open')
    }
  })

  it('gives the probe to another process when the one that has it is killed', async () => {
    const { join } = await createInstallation(undefined, { cooldownSeconds })
    const timing = { turnMs: 50, refreshMs: 100, probeLifetimeMs: 1_500 }
    const [a, b] = [await join({ timing }), await join({ timing })]
    await untilHalfOpen(a, b)
    await call(a, id)
    expect(await b.health.admit(id)).toMatchObject({ kind: 'open' })
    await a.kill()
    await succeed(b, id)
    await allSee('closed', b)
  })

  it('leaves the probe to a process that lives, however long it takes', async () => {
    const installation = await createInstallation(undefined, { cooldownSeconds })
    const timing = { turnMs: 20, refreshMs: 40, probeLifetimeMs: 2_000 }
    const [a, b] = [await installation.join({ timing }), await installation.join({ timing })]
    await untilHalfOpen(a, b)
    const probe = await call(a, id)
    const claimedUntil = async (): Promise<number> => {
      const text = await installation.redis.hget(installation.keys.circuits(), id)
      return Number(/"probeUntil":(\d+)/.exec(text ?? '')?.[1])
    }
    const first = await claimedUntil()
    let admitted = 0
    await until(async () => {
      if ((await b.health.admit(id)).kind === 'admitted') admitted++
      return (await claimedUntil()) > first + 2_200
    })
    expect(admitted).toBe(0)
    probe.succeeded({ latencyMs: 5, tokens: 1 })
    await allSee('closed', a, b)
  })

  it('closes at the first token of a streamed probe', async () => {
    const { join } = await createInstallation(undefined, { cooldownSeconds })
    const [a, b] = [await join(), await join()]
    await untilHalfOpen(a, b)
    const probe = await call(a, id)
    probe.responded(120)
    expect(stateOf(a, id)).toBe('closed')
    await allSee('closed', a, b)
    probe.succeeded({ latencyMs: 500, tokens: 7 })
    expect(a.health.stats(id)).toMatchObject({ latencyMs: 120, tokens: 7, inFlight: 0 })
  })

  it.each(['abandoned', 'refused'] as const)('passes the probe on when it was %s', async (how) => {
    const { join } = await createInstallation(undefined, { cooldownSeconds })
    const [a, b] = [await join(), await join()]
    await untilHalfOpen(a, b)
    const probe = await call(a, id)
    if (how === 'abandoned') probe.abandoned()
    else probe.failed({ code: 'context_length_exceeded', message: 'Too long.' })
    await succeed(b, id)
    await allSee('closed', a, b)
  })

  it('stays open for as long as the probe was told to wait', async () => {
    const { join } = await createInstallation(undefined, { cooldownSeconds })
    const [a, b] = [await join(), await join()]
    await untilHalfOpen(a, b)
    await fail(b, id, 'rate_limit_exceeded', 90)
    await allSee('open', a, b)
    const circuit = a.health.circuit(id)
    if (circuit.state !== 'open') throw new Error('not open')
    expect(Math.abs(circuit.until - Date.now() - 90_000)).toBeLessThan(30_000)
  })

  it('is closed for good by a success: older failures do not open it again', async () => {
    const installation = await createInstallation(undefined, { cooldownSeconds, failureRate: 0.5, minCalls: 3 })
    const [a, b] = [await installation.join(), await installation.join()]
    await untilHalfOpen(a, b)
    await succeed(a, id)
    await allSee('closed', a, b)
    for (let i = 0; i < 2; i++) await succeed(a, id)
    await fail(b, id)
    await until(async () => (await installation.redis.hget(installation.keys.circuits(), id))?.includes('"failures":1'))
    expect(stateOf(b, id)).toBe('closed')
  })
})

describe('an open circuit that nobody else may stand in for', () => {
  /** When all of them know that it is due, a probe is let through. */
  async function untilProbe(installation: Installation, ...members: readonly Member[]): Promise<void> {
    await probeIsDue(installation, id)
    await until(() => members.every((member) => probeAt(member) <= Date.now()))
  }

  function probeAt({ health }: Member): number {
    const circuit = health.circuit(id)
    return circuit.state === 'open' ? circuit.probeAt : Number.POSITIVE_INFINITY
  }

  async function open(member: Member, ...others: readonly Member[]): Promise<void> {
    for (let i = 0; i < 3; i++) await fail(member, id)
    await allSee('open', member, ...others)
    await until(() => member.events.some(({ fields }) => fields['to'] === 'open'))
  }

  it('lets one of fifty through long before its cooldown is over, and nobody who can go elsewhere', async () => {
    const installation = await createInstallation()
    const [a, b] = [await installation.join(), await installation.join()]
    await open(a, b)
    const early = await a.health.admit(id, true)
    if (early.kind !== 'open') throw new Error('let in at once')
    expect(early.until - Date.now()).toBeLessThan(5_000)
    await untilProbe(installation, a, b)
    const answers = await until(async () => {
      const round = await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 ? a : b).health.admit(id, true)))
      return round.some(({ kind }) => kind === 'admitted') ? round : undefined
    })
    const admitted = answers.filter((answer) => answer.kind === 'admitted')
    expect(admitted).toHaveLength(1)
    for (const answer of answers) if (answer.kind === 'open') expect(answer.until - Date.now()).toBeLessThan(1_000)
    for (const { health } of [a, b]) {
      const elsewhere = await health.admit(id)
      if (elsewhere.kind !== 'open') throw new Error('it could have gone elsewhere')
      expect(elsewhere.until - Date.now()).toBeGreaterThan(10_000)
    }
    if (admitted[0]?.kind === 'admitted') admitted[0].call.responded(5)
    await allSee('closed', a, b)
  })

  it('is probed half as often after each probe that failed, and stays shut to others for as long as before', async () => {
    const installation = await createInstallation(undefined, { cooldownSeconds: 200 })
    const [a, b] = [await installation.join(), await installation.join()]
    await open(a, b)
    const circuit = b.health.circuit(id)
    if (circuit.state !== 'open') throw new Error('not open')
    for (const seconds of [2, 4, 8, 15, 15]) {
      await untilProbe(installation, a, b)
      const probe = await until(async () => {
        const admission = await b.health.admit(id, true)
        return admission.kind === 'admitted' ? admission.call : undefined
      })
      probe.failed({ code: 'upstream_unreachable', message: 'It failed.' })
      await until(async () => {
        const text = (await installation.redis.hget(installation.keys.circuits(), id)) ?? ''
        const { probeAt: due, at } = JSON.parse(text.slice(text.indexOf('{'))) as { probeAt: number; at: number }
        return due - at === seconds * 1_000
      })
      await until(() => probeAt(a) > Date.now())
      const after = a.health.circuit(id)
      if (after.state !== 'open') throw new Error('not open')
      expect(Math.abs(after.until - circuit.until)).toBeLessThan(1_000)
    }
  })

  it('is left alone for as long as a Retry-After says', async () => {
    const installation = await createInstallation()
    const [a, b] = [await installation.join(), await installation.join()]
    await fail(a, id, 'rate_limit_exceeded', 25)
    await allSee('open', a, b)
    const told = await b.health.admit(id, true)
    if (told.kind !== 'open') throw new Error('let in')
    expect(told.until - Date.now()).toBeGreaterThan(15_000)

    // One that is open for longer, by failures: its probe was told to wait.
    await a.health.reset(id)
    await allSee('closed', a, b)
    await open(a, b)
    await untilProbe(installation, a, b)
    const probe = await until(async () => {
      const admission = await a.health.admit(id, true)
      return admission.kind === 'admitted' ? admission.call : undefined
    })
    probe.failed({ code: 'upstream_overloaded', message: 'No room.', retryAfterSeconds: 20 })
    await until(() => probeAt(b) - Date.now() > 15_000)
  })
})
