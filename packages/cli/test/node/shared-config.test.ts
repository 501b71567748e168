import { type InferqConfig, parseConfig } from '@inferq/config'
import { createSealer } from '@inferq/liveconfig'
import { createSilentLog, createSystemClock } from '@inferq/runtime'
import { createTestRedis, until } from '@inferq/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { createConfigSharing, readSharedConfig } from '../../src/node/shared-config.ts'

function parse(text: string): InferqConfig {
  const parsed = parseConfig({ source: { file: 'a.yaml', text }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  return parsed.config
}

const first = parse(`
model_list:
  - {model_name: home, litellm_params: {model: hosted_vllm/home, api_base: "http://a:1/v1", api_key: sk-vllm}}
  - {model_name: cloud, litellm_params: {model: groq/cloud, api_key: sk-groq}}
router_settings: {fallbacks: [{home: [cloud]}]}
classes: {home: {concurrency: 3}}
workers: {drain_s: 7}
general_settings: {master_key: sk-master, database_url: "postgres://u:pw@h/d"}
`)
const second = parse('model_list: [{model_name: home2, litellm_params: {model: ollama/home2}}]')

async function share(secret = 'salt') {
  const test = createTestRedis()
  onTestFinished(() => test.close())
  const redis = await test.connect()
  const listeners = new Set<() => void>()
  let config = first
  const options = { redis, keys: test.keys, sealer: createSealer(secret) }
  const sharing = createConfigSharing({
    ...options,
    live: {
      current: () => config,
      onChange(listener) {
        const call = (): void => listener(config, config)
        listeners.add(call)
        return () => void listeners.delete(call)
      },
    },
    clock: createSystemClock(),
    log: createSilentLog(),
  })
  await sharing.start()
  onTestFinished(() => sharing.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 }))
  const change = (next: InferqConfig): void => {
    config = next
    for (const listener of listeners) listener()
  }
  return { ...options, test, change }
}

test('workers find the local models and their settings, and no key of a cloud or of the ingress', async () => {
  const shared = await share()
  const config = await readSharedConfig(shared)
  expect(config.deployments).toEqual(first.deployments.filter(({ model }) => model === 'home'))
  expect(config.models.map(({ name }) => name)).toEqual(['home'])
  expect([config.classes, config.workers.drainSeconds, config.fingerprint]).toEqual([
    { home: first.classes['home'] },
    7,
    first.fingerprint,
  ])
  expect(JSON.stringify(config)).not.toMatch(/sk-groq|sk-master|postgres:/)
  expect(await shared.redis.get(shared.keys.localConfig())).not.toMatch(/home|sk-vllm/)
})

test('a change is told when it can be read, and once', async () => {
  const { test: testRedis, redis, keys, sealer, change } = await share()
  const subscriber = await testRedis.connect('subscriber')
  const told: Promise<string[]>[] = []
  subscriber.on('message', () => {
    told.push(readSharedConfig({ redis, keys, sealer }).then((config) => config.models.map(({ name }) => name)))
  })
  await subscriber.subscribe(keys.configChanges())
  change(second)
  change(second)
  await until(() => told.length > 0)
  change(first)
  await until(() => told.length > 1)
  expect(await Promise.all(told)).toEqual([['home2'], ['home']])
})

test('who has another key reads nothing', async () => {
  const shared = await share()
  const other = { ...shared, sealer: createSealer('another') }
  await expect(readSharedConfig(other)).rejects.toThrow('sealed with another key')
  await shared.redis.del(shared.keys.localConfig())
  await expect(readSharedConfig(shared)).rejects.toThrow('no ingress has left a configuration')
})
