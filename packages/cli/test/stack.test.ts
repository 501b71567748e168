import { createService, type Service } from '@inferq/runtime'
import { describe, expect, it } from 'vitest'
import { createStack } from '../src/stack.ts'

const deadline = { signal: new AbortController().signal, timeoutMs: 1000 }

function recorded(name: string, events: string[], start: () => Promise<void> = async () => {}): Service {
  return createService({
    name,
    async start() {
      await start()
      events.push(`${name} up`)
    },
    quiet: () => void events.push(`${name} quiet`),
    stop: () => void events.push(`${name} down`),
  })
}

describe('a stack', () => {
  it('starts its services together, each when those it needs are up, and stops them in reverse order', async () => {
    const events: string[] = []
    const redis = recorded('redis', events, () => new Promise((resolve) => setImmediate(resolve)))
    const worker = recorded('worker', events, () => redis.start())
    const other = recorded('other', events)
    const stack = createStack('all', [redis, other, worker])
    await stack.start()
    expect(events).toEqual(['other up', 'redis up', 'worker up'])
    events.length = 0
    await stack.quiet?.()
    await stack.stop(deadline)
    expect(events).toEqual(['worker quiet', 'other quiet', 'redis quiet', 'worker down', 'other down', 'redis down'])
  })

  it('stops what has started when one cannot, and says what went wrong first', async () => {
    const events: string[] = []
    const broken = createService({
      name: 'broken',
      async start() {
        throw new Error('no disk')
      },
      stop: () => void events.push('broken down'),
    })
    const needsIt = recorded('needs-it', events, () => broken.start())
    const fine = recorded('fine', events, () => new Promise((resolve) => setImmediate(resolve)))
    await expect(createStack('all', [fine, broken, needsIt]).start()).rejects.toThrow('no disk')
    expect(events).toEqual(['fine up', 'fine down'])
  })

  it('asks every service to stop, even when one cannot', async () => {
    const events: string[] = []
    const stuck = createService({
      name: 'stuck',
      start() {},
      stop: () => Promise.reject(new Error('stuck')),
    })
    const stack = createStack('all', [recorded('first', events), stuck])
    await stack.start()
    await expect(stack.stop(deadline)).rejects.toThrow('stuck')
    expect(events).toEqual(['first up', 'first down'])
  })
})
