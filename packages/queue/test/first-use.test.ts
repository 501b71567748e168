import { createId, createSilentLog } from '@inferq/runtime'
import { createTestRedis, until } from '@inferq/testkit'
import { startTcpProxy } from '@inferq/testkit/tcp-proxy'
import { expect, it } from 'vitest'
import { createJobQueue } from '../src/index.ts'
import { createTestPlacing, share } from './support.ts'

const placing = createTestPlacing()

it('serves a class that was first used while Redis was away', async () => {
  const server = createTestRedis()
  const { hostname, port, pathname } = new URL(server.url)
  const proxy = await startTcpProxy(port === '' ? { path: pathname } : { host: hostname, port: Number(port) })
  const redis = await server.connect('command', `redis://127.0.0.1:${proxy.port}`)
  const queue = createJobQueue({ redis, keys: server.keys, placing, log: createSilentLog() })
  try {
    proxy.refuse()
    proxy.reset()
    await until(() => redis.status !== 'ready')
    const jobId = createId('job')
    const reference = { jobId, hop: 0, type: 'completion', class: 'first', tier: 'default', share } as const
    await expect(queue.enqueue(reference)).rejects.toMatchObject({ code: 'service_unavailable' })
    await expect(queue.depth('second')).rejects.toMatchObject({ code: 'service_unavailable' })

    proxy.pass()
    await until(() => redis.status === 'ready')
    await queue.enqueue(reference)
    expect(await queue.position(reference)).toBe(1)
    expect(await queue.depth('second')).toMatchObject({ waiting: 0 })
  } finally {
    await queue.close()
    await server.close()
    await proxy.stop()
  }
})
