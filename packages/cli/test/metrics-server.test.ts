import { createMetrics } from '@inferq/telemetry'
import { freePort } from '@inferq/testkit'
import { expect, it } from 'vitest'
import { createMetricsServer } from '../src/metrics-server.ts'

it('shows metrics and that the service lives, and nothing else', async () => {
  const metrics = createMetrics({ nodeMetrics: false })
  metrics.counter({ name: 'jobs_total', help: 'Jobs' }).with({}).inc(3)
  const metricsPort = await freePort()
  const server = createMetricsServer({ host: '127.0.0.1', metricsPort }, metrics)
  await server.start()
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${metricsPort}${path}`)
    return `${response.status} ${await response.text()}`
  }
  expect(await get('/metrics')).toContain('jobs_total 3')
  expect(await get('/health/liveness')).toBe('200 {"status":"ok"}')
  expect(await get('/')).toBe('404 ')
  await server.stop({ signal: new AbortController().signal, timeoutMs: 1_000 })
  await expect(get('/metrics')).rejects.toThrow()
})
