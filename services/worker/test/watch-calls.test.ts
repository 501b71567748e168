import { createDeploymentHealth } from '@inferq/health'
import { createSilentLog, createSystemClock } from '@inferq/runtime'
import { createTestRedis } from '@inferq/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { watchCalls } from '../src/watch-calls.ts'

test('a call that fails is told beside being counted, and no other', async () => {
  const testRedis = createTestRedis()
  onTestFinished(() => testRedis.close())
  const health = createDeploymentHealth({
    redis: await testRedis.connect(),
    subscriber: await testRedis.connect('subscriber'),
    keys: testRedis.keys,
    config: () => ({
      allowedFails: 1,
      cooldownSeconds: 60,
      failureRate: 1,
      minCalls: 1,
      windowSeconds: 60,
      enabled: true,
    }),
    processId: 'test',
    clock: createSystemClock(),
    log: createSilentLog(),
  })
  const told: [string, string][] = []
  const watched = watchCalls(health, (deployment, { code }) => told.push([deployment, code]))
  const call = async () => {
    const admission = await watched.admit('a')
    if (admission.kind !== 'admitted') throw new Error('not admitted')
    return admission.call
  }
  const error = { code: 'upstream_unreachable', message: 'Nobody listens.' } as const
  ;(await call()).succeeded({ latencyMs: 1, tokens: 1 })
  ;(await call()).abandoned()
  expect(told).toEqual([])
  ;(await call()).failed(error)
  expect(told).toEqual([['a', 'upstream_unreachable']])
  expect((await watched.admit('a')).kind).toBe('open')
})
