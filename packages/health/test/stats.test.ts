import { until } from '@inferq/testkit'
import { describe, expect, it } from 'vitest'
import { call, createInstallation, createSkewedClock, fail, succeed } from './support.ts'

const id = 'chat/ollama/qwen'

describe('statistics', () => {
  it('add up over processes, each seeing its own at once', async () => {
    const { join } = await createInstallation()
    const [a, b, observer] = [await join(), await join(), await join()]
    expect(observer.health.stats(id)).toEqual({ inFlight: 0, latencyMs: undefined, requests: 0, tokens: 0 })
    const calls = await Promise.all([call(a, id), call(a, id), call(b, id)])
    expect(a.health.stats(id).inFlight).toBeGreaterThanOrEqual(2)
    await until(() => [a, b, observer].every(({ health }) => health.stats(id).inFlight === 3))
    calls[0].succeeded({ latencyMs: 100, tokens: 20 })
    calls[1].succeeded({ latencyMs: 100, tokens: 10 })
    calls[2].succeeded({ latencyMs: 400, tokens: 5 })
    expect(a.health.stats(id)).toMatchObject({ requests: 3, tokens: 30 })
    const whole = { inFlight: 0, latencyMs: 200, requests: 3, tokens: 35 }
    await until(() => observer.health.stats(id).tokens === 35)
    expect(observer.health.stats(id)).toEqual(whole)
    await until(() => a.health.stats(id).tokens === 35)
    expect(a.health.stats(id)).toEqual(whole)
  })

  it('follow the latency as it changes, by the newer calls more than by the older', async () => {
    const { join } = await createInstallation()
    const a = await join()
    for (let i = 0; i < 20; i++) await succeed(a, id, 1, 100)
    expect(a.health.stats(id).latencyMs).toBeCloseTo(100)
    for (let i = 0; i < 20; i++) await succeed(a, id, 1, 1_000)
    expect(a.health.stats(id).latencyMs).toBeGreaterThan(950)
    await succeed(a, id, 1)
    expect(a.health.stats(id).latencyMs).toBeGreaterThan(950)
  })

  it('do not count a process that says nothing more, and forget one that leaves', async () => {
    const { join, redis, keys } = await createInstallation()
    const timing = { turnMs: 50, refreshMs: 100, statsLifetimeMs: 300 }
    const [killed, leaving, observer] = [await join({ timing }), await join({ timing }), await join({ timing })]
    await call(killed, id)
    await call(leaving, id)
    await until(() => observer.health.stats(id).inFlight === 2)
    await leaving.health.stop({ signal: AbortSignal.timeout(1_000), timeoutMs: 1_000 })
    expect(await redis.exists(keys.deploymentStats(leaving.processId))).toBe(0)
    expect(await redis.zscore(keys.deploymentStatsIndex(), leaving.processId)).toBeNull()
    await killed.kill()
    await until(() => observer.health.stats(id).inFlight === 0)
    await until(async () => (await redis.exists(keys.deploymentStats(killed.processId))) === 0)
  })

  it('are of the same minute for processes whose clocks differ', async () => {
    const { join } = await createInstallation()
    const [a, late] = [await join(), await join({ clock: createSkewedClock(-90_000) })]
    await succeed(late, id, 11)
    await until(() => a.health.stats(id).tokens === 11)
    await succeed(a, id, 4)
    await until(() => late.health.stats(id).tokens === 15)
  })

  it('begin anew with each minute, and are dropped when a deployment is quiet', async () => {
    const { join } = await createInstallation()
    let aheadMs = 0
    const clock = { ...createSkewedClock(0), now: () => Date.now() + aheadMs }
    // Its clock is moved, so that it must not learn Redis's again.
    const a = await join({ clock, timing: { turnMs: 20, refreshMs: 3_600_000 } })
    await succeed(a, id, 8, 50)
    expect(a.health.stats(id)).toMatchObject({ requests: 1, tokens: 8, latencyMs: 50 })
    aheadMs = 60_000
    await until(() => a.health.stats(id).tokens === 0)
    expect(a.health.stats(id)).toEqual({ inFlight: 0, requests: 0, tokens: 0, latencyMs: 50 })
    aheadMs = 300_000
    await until(() => a.health.stats(id).latencyMs === undefined)
  })

  it('count calls in flight as a metric of the process that makes them', async () => {
    const { join } = await createInstallation()
    const [a, b] = [await join(), await join()]
    const report = await call(a, id)
    const line = `inferq_deployment_in_flight{deployment="${id}"}`
    await until(async () => (await a.render()).includes(`${line} 1`))
    expect(await b.render()).not.toContain(line)
    report.abandoned()
    await until(async () => (await a.render()).includes(`${line} 0`))
    await fail(a, id)
  })

  it('leave aside what another process tells that cannot be read', async () => {
    const { join, redis, keys } = await createInstallation()
    const a = await join()
    await redis.hset(keys.deploymentStats('other'), { [id]: '1 2 3', good: '2 - 1 0 0 0' })
    await redis.zadd(keys.deploymentStatsIndex(), Date.now(), 'other')
    await until(() => a.health.stats('good').inFlight === 2)
    expect(a.health.stats(id)).toEqual({ inFlight: 0, latencyMs: undefined, requests: 0, tokens: 0 })
  })
})
