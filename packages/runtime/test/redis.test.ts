import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import {
  type CreateRedisOptions,
  closeRedis,
  createRedis,
  createRedisServiceCheck,
  defineScript,
  type EmbeddedRedis,
  inspectRedis,
  parseRedisUrl,
  startEmbeddedRedis,
  whenRedisReady,
} from '../src/index.ts'
import { judgeRedisInfo } from '../src/redis/redis-health.ts'
import { collectLog, makeTemporaryDir, sharedCacheDir, temporaryDir, until } from './support.ts'

let server: EmbeddedRedis
const serverDir = makeTemporaryDir()

beforeAll(async () => {
  server = await startEmbeddedRedis({
    dataDir: join(serverDir.path, 'redis'),
    cacheDir: sharedCacheDir(),
    log: collectLog(),
  })
})
afterAll(async () => {
  await server.stop()
  serverDir.remove()
})

async function open(options: Partial<CreateRedisOptions> = {}) {
  const redis = createRedis({ url: server.url, role: 'command', log: collectLog(), ...options })
  onTestFinished(() => closeRedis(redis))
  await whenRedisReady(redis, { timeoutMs: 30_000 })
  return redis
}

/** Cuts the connection from the server's side, and waits until it is back. */
async function cut(redis: Awaited<ReturnType<typeof open>>): Promise<void> {
  const killer = await open()
  const back = new Promise<void>((resolve) => redis.once('ready', resolve))
  await killer.client('KILL', 'ID', await redis.client('ID'))
  await back
}

test.each([
  ['redis://r', { host: 'r', port: 6379, tls: false, db: 0 }],
  ['rediss://me:p%40ss@r:7000/3', { host: 'r', port: 7000, tls: true, db: 3, username: 'me', password: 'p@ss' }],
  ['redis://[::1]:7000', { host: '::1', port: 7000, tls: false, db: 0 }],
  ['redis+unix:///run/a%20b/redis.sock?db=2', { path: '/run/a b/redis.sock', tls: false, db: 2 }],
  ['unix:///run/redis.sock', { path: '/run/redis.sock', tls: false, db: 0 }],
])('reads the address %s', (url, address) => {
  expect(parseRedisUrl(url)).toEqual(address)
})

test.each(['r:6379', 'http://me:hunter2@r', 'redis+unix://', 'redis://r/zero'])(
  'refuses the address %s without showing a password',
  (url) => {
    const parse = (): unknown => parseRedisUrl(url)
    expect(parse).toThrow('the Redis URL does not do')
    expect(parse).not.toThrow('hunter2')
  },
)

test('writes of one turn leave in one piece, also after a reconnect', async () => {
  const redis = await open()
  const writesOfThree = async (): Promise<number> => {
    const before = await redis.client('ID')
    let pieces = 0
    const { stream } = redis
    const count = (implementation: 'write' | 'writev') => {
      const original: unknown = Reflect.get(stream, `_${implementation}`)
      Reflect.set(stream, `_${implementation}`, (...args: unknown[]) => {
        pieces++
        if (typeof original === 'function') original.apply(stream, args)
      })
    }
    count('write')
    count('writev')
    await Promise.all([redis.set('a', before), redis.set('b', 2), redis.get('a')])
    return pieces
  }
  expect(await writesOfThree()).toBe(1)
  await cut(redis)
  expect(await writesOfThree()).toBe(1)
  expect(await redis.mget('a', 'b')).toEqual([expect.any(String), '2'])
})

test('a script runs by its hash, and in order with what is sent around it, over a reconnect and a flush', async () => {
  const redis = await open()
  const append = defineScript(redis, {
    name: 'testAppend',
    lua: "return redis.call('RPUSH', KEYS[1], ARGV[1])",
    numberOfKeys: 1,
  })
  const appendFrom = (first: number) =>
    Promise.all(Array.from({ length: 50 }, (_, step) => append('list', first + step)))
  expect(await append('list', 0)).toBe(1)
  await appendFrom(1)
  await cut(redis)
  await redis.script('FLUSH')
  await appendFrom(51)
  await redis.script('FLUSH')
  await append('list', 101)
  expect(await redis.lrange('list', 0, -1)).toEqual(Array.from({ length: 102 }, (_, value) => String(value)))
})

test('without a Redis a command fails at once, the loss is logged once, and it comes back by itself', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  const embedded = await startEmbeddedRedis({ dataDir, cacheDir: sharedCacheDir(), log: collectLog() })
  const log = collectLog()
  const redis = await open({ url: embedded.url, log, name: 'test' })
  await embedded.stop()
  await until(() => log.has('redis-error'))
  const startedAt = performance.now()
  await expect(redis.get('a')).rejects.toThrow()
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await until(() => redis.status === 'reconnecting')

  const again = await startEmbeddedRedis({ dataDir, cacheDir: sharedCacheDir(), log: collectLog() })
  onTestFinished(() => again.stop())
  await whenRedisReady(redis, { timeoutMs: 30_000 })
  expect(await redis.ping()).toBe('PONG')
  expect(log.events).toMatchObject([
    { event: 'redis-error', fields: { connection: 'test-command' } },
    { event: 'redis-back', fields: { connection: 'test-command' } },
  ])
})

test('a Redis that takes commands but does not answer is given up', async () => {
  const redis = await open({ replyTimeoutMs: 200 })
  process.kill(server.pid ?? 0, 'SIGSTOP')
  onTestFinished(() => {
    process.kill(server.pid ?? 0, 'SIGCONT')
  })
  await expect(redis.set('a', 1)).rejects.toThrow('not back within 2000 ms')
  await expect(redis.set('a', 2)).rejects.toThrow()
  process.kill(server.pid ?? 0, 'SIGCONT')
  await whenRedisReady(redis, { timeoutMs: 30_000 })
  expect(await redis.set('a', 3)).toBe('OK')
})

test('a connection to what has become a replica is made anew, now and then: another may be the master by now', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  const embedded = await startEmbeddedRedis({ dataDir, cacheDir: sharedCacheDir(), log: collectLog() })
  onTestFinished(() => embedded.stop())
  const redis = await open({ url: embedded.url })
  const before = await redis.client('ID')
  await redis.call('REPLICAOF', '127.0.0.1', '9')
  await expect(redis.set('a', 1)).rejects.toThrow('READONLY')
  await until(async () => (await redis.client('ID').catch(() => before)) !== before)
})

test('a duplicate of a blocking connection may wait in Redis for longer than a command may take', async () => {
  const redis = await open({ role: 'blocking', replyTimeoutMs: 200 })
  const waiting = redis.duplicate()
  onTestFinished(() => closeRedis(waiting))
  expect(await waiting.blpop('nothing', 1)).toBeNull()
})

test('the check of writes tells a server that takes none', async () => {
  const dataDir = join(temporaryDir(), 'redis')
  const embedded = await startEmbeddedRedis({ dataDir, cacheDir: sharedCacheDir(), log: collectLog() })
  onTestFinished(() => embedded.stop())
  const redis = await open({ url: embedded.url })
  const writes = createRedisServiceCheck({ redis, writeKey: 'check' })
  expect(await writes.run()).toMatchObject({ ok: true })
  expect(await redis.ttl('check')).toBeGreaterThan(0)
  await redis.config('SET', 'maxmemory', '1')
  expect(await writes.run()).toMatchObject({ ok: false, error: expect.stringContaining('OOM') })
  expect(await createRedisServiceCheck({ redis }).run()).toMatchObject({ ok: true })
})

test('a subscriber hears its channels again after a cut', async () => {
  const subscriber = await open({ role: 'subscriber' })
  const heard: string[] = []
  subscriber.on('message', (_, message) => heard.push(message))
  await subscriber.subscribe('news')
  await cut(subscriber)
  const publisher = await open()
  await until(async () => (await publisher.publish('news', 'back')) === 1)
  await until(() => heard.length > 0)
  expect(heard).toEqual(['back'])
})

test('an unreachable Redis is reported with what stood in the way', async () => {
  const redis = createRedis({ url: 'redis+unix:///nowhere/redis.sock', role: 'command', log: collectLog() })
  await expect(whenRedisReady(redis, { timeoutMs: 300 })).rejects.toMatchObject({
    code: 'redis_unreachable',
    message: expect.stringContaining('ENOENT'),
  })
  await closeRedis(redis)
  await expect(redis.get('a')).rejects.toThrow()
})

test('the check answers in time whether Redis does', async () => {
  const redis = await open()
  expect(await createRedisServiceCheck({ redis }).run()).toMatchObject({ ok: true })
  await redis.client('PAUSE', 400, 'ALL')
  expect(await createRedisServiceCheck({ redis, timeoutMs: 50 }).run()).toEqual({
    ok: false,
    error: 'PING took longer than 50 ms',
  })
})

test('an embedded Redis has nothing to warn of; one that evicts, forgets or is old has', async () => {
  expect(await inspectRedis(await open())).toEqual([])
  const careless = new Map([
    ['redis_version', '6.2.1'],
    ['maxmemory_policy', 'allkeys-lru'],
    ['aof_enabled', '0'],
  ])
  expect(judgeRedisInfo(careless).map(({ code }) => code)).toEqual(['version_too_old', 'evicts_keys', 'not_durable'])
  const valkey = new Map([
    ['redis_version', '7.2.4'],
    ['valkey_version', '8.1.0'],
  ])
  expect(judgeRedisInfo(valkey)).toMatchObject([
    { code: 'settings_unknown', message: expect.stringContaining('aof_enabled') },
  ])
})
