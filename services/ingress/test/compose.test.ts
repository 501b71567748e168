import { parseConfig } from '@inferq/config'
import { createSealer } from '@inferq/liveconfig'
import { createId, parseRedisUrl } from '@inferq/runtime'
import { createStore } from '@inferq/store'
import { createLogger, createMetrics } from '@inferq/telemetry'
import { createTestLiveConfig, createTestRedis } from '@inferq/testkit'
import { startTcpProxy } from '@inferq/testkit/tcp-proxy'
import { describe, expect, it, onTestFinished } from 'vitest'
import { composeIngress } from '../src/index.ts'
import { clock } from './support/bench.ts'
import { call } from './support/http.ts'

const log = createLogger({ service: 'test', destination: { write() {} } })
const yaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
`

function parts(redisUrl: string, host?: string, text = yaml) {
  const parsed = parseConfig({ source: { file: 'test.yaml', text }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  const { config } = parsed
  const store = createStore({ url: 'postgres://nobody@127.0.0.1:9/none', log, statementTimeoutMs: 500 })
  onTestFinished(() => store.close())
  return {
    live: createTestLiveConfig(config),
    sealer: createSealer('sk-test'),
    listen: { port: 0, ...(host === undefined ? {} : { host }) },
    redisUrl,
    namespace: createId('test'),
    store,
    clock,
    log,
    metrics: createMetrics({ nodeMetrics: false }),
    stopTimeoutMs: 1_000,
  }
}

describe('an ingress', () => {
  it('refuses to serve others without a key of the operator’s own', () => {
    const { url } = createTestRedis()
    expect(() => composeIngress(parts(url))).toThrow('INFERQ_MASTER_KEY')
    expect(() => composeIngress({ ...parts(url, '0.0.0.0'), masterKey: 'sk-development' })).toThrow('public address')
    const own = `${yaml}\ngeneral_settings: {master_key: sk-own}\n`
    expect(() => composeIngress(parts(url, '0.0.0.0', own))).not.toThrow()
  })

  it('answers 503 within two seconds when Redis takes commands and says nothing', async () => {
    const { url } = createTestRedis()
    const { path, host = '127.0.0.1', port = 6379 } = parseRedisUrl(url)
    const proxy = await startTcpProxy(path === undefined ? { host, port } : { path })
    onTestFinished(() => proxy.stop())
    const ingress = composeIngress({ ...parts(`redis://127.0.0.1:${proxy.port}`), masterKey: 'sk-test-master' })
    await ingress.start()
    onTestFinished(() => ingress.stop())
    expect((await call(`${ingress.url()}/health/liveness`)).status).toBe(200)
    proxy.blackhole()
    const startedAt = performance.now()
    const json = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
    const response = await call(`${ingress.url()}/v1/chat/completions`, { json })
    // Within 2 s is promised; the rest is for a busy machine. What hangs would hang for much longer.
    expect(performance.now() - startedAt).toBeLessThan(20_000)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    const again = await call(`${ingress.url()}/v1/chat/completions`, { json })
    expect(again.status).toBe(503)
  })
})
