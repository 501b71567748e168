import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { closeRedis, createRedis, createSilentLog, type Redis } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { prices } from '../system/config.ts'
import { descendantsOf } from '../system/descendants.ts'
import { startSystem } from '../system/start-system.ts'
import type { Ingress, System } from '../system/system.ts'

let system: System
/** Of this file alone, so that it shows what is left in it. */
let temporary: string

interface CompletedJob {
  readonly status: string
  readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
  readonly cost_usd: number
}

/** Starting Node a dozen times takes its time where others want the processors too. */
const patienceMs = 240_000
vi.setConfig({ testTimeout: patienceMs, hookTimeout: patienceMs })

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'inferq-test-'))
  await chmod(temporary, 0o711)
  vi.stubEnv('TMPDIR', temporary)
  system = await startSystem({ workers: 1, controllers: 1 })
})
afterAll(async () => {
  await system?.stop()
  vi.unstubAllEnvs()
  await rm(temporary, { recursive: true, force: true })
})

function post(url: string, body: unknown, signal: AbortSignal = AbortSignal.timeout(30_000)): Promise<Response> {
  const headers = { authorization: `Bearer ${system.masterKey}`, 'content-type': 'application/json' }
  return fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal })
}

function chat(ingress: Ingress, more: object = {}): Promise<Response> {
  const messages = [{ role: 'user', content: 'Hello' }]
  return post(`${ingress.url}/v1/chat/completions`, { model: 'chat', messages, ...more })
}

/** Until one is answered: what was broken has healed. */
async function works(ingress: Ingress): Promise<void> {
  const answers = async (): Promise<boolean> => {
    const response = await chat(ingress).catch(() => undefined)
    await response?.arrayBuffer()
    return response?.status === 200
  }
  await until(answers, { timeoutMs: 100_000, everyMs: 50, what: `${ingress.name} answers` })
}

function first<T>(list: readonly T[]): T {
  const [one] = list
  if (one === undefined) throw new Error('there is none')
  return one
}

async function redis(): Promise<Redis> {
  const connection = createRedis({ url: system.redis.url, role: 'blocking', log: createSilentLog() })
  onTestFinished(() => closeRedis(connection))
  await connection.ping()
  return connection
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('a system under fire', () => {
  it('answers through each ingress, and its upstream has written down who asked and what it cost', async () => {
    for (const [index, ingress] of system.ingresses.entries()) {
      const answer = await chat(ingress, { user: `caller-${index}` })
      expect(answer.status).toBe(200)
      const { usage } = (await answer.json()) as { usage: Record<string, number> }
      const call = (await system.upstream.ledger()).find(({ user }) => user === `caller-${index}`)
      const counts = { promptTokens: usage['prompt_tokens'], completionTokens: usage['completion_tokens'] }
      expect(call).toMatchObject({ model: 'chat', outcome: 'answered', tellsUsage: true, ...counts })
    }
    for (const model of ['spare', 'cloud']) expect((await chat(first(system.ingresses), { model })).status).toBe(200)
    const embedded = await post(`${first(system.ingresses).url}/v1/embeddings`, { model: 'embed', input: 'Hi' })
    expect(embedded.status).toBe(200)
  })

  it('charges what its prices say', async () => {
    const { url } = first(system.ingresses)
    const request = { model: 'chat', messages: [{ role: 'user', content: 'Hello' }] }
    const accepted = await post(`${url}/v1/jobs`, { type: 'completion', request })
    expect(accepted.status).toBe(202)
    const { id } = (await accepted.json()) as { id: string }
    const headers = { authorization: `Bearer ${system.masterKey}` }
    const job = await until(async (): Promise<CompletedJob | undefined> => {
      const view = (await (await fetch(`${url}/v1/jobs/${id}`, { headers })).json()) as CompletedJob
      return view.status === 'completed' ? view : undefined
    })
    const price = prices.get('chat')
    const { prompt_tokens: prompt, completion_tokens: completion } = job.usage
    expect(completion).toBeGreaterThan(0)
    const costUsd = (prompt * (price?.input ?? 0) + completion * (price?.output ?? 0)) / 1e9
    expect(job.cost_usd).toBeCloseTo(costUsd, 12)
  })

  it('starts members again where they were, after each way to end', async () => {
    const [ingress, worker, controller] = [first(system.ingresses), first(system.workers), first(system.controllers)]
    for (const [signal, members] of [
      ['SIGKILL', [ingress, controller]] as const,
      ['SIGTERM', [ingress, worker]] as const,
    ]) {
      const pids = members.map(({ pid }) => pid)
      await Promise.all(members.map((member) => member.signal(signal)))
      expect(pids.filter(isAlive)).toEqual([])
      expect(members.map(({ isUp }) => isUp)).toEqual([false, false])
      await Promise.all([...members, ...members].map((member) => member.start()))
      expect(members.map(({ isUp }) => isUp)).toEqual([true, true])
      for (const { pid } of members) expect(pids).not.toContain(pid)
    }
    await works(ingress)
    expect(worker.lines.filter((line) => line.includes('"event":"stopped"'))).toHaveLength(1)
  })

  it('lets a frozen member answer nothing until it is thawed', async () => {
    const ingress = first(system.ingresses)
    await ingress.signal('SIGSTOP')
    const answer = chat(ingress)
    expect(await Promise.race([answer, sleep(500, 'silent')])).toBe('silent')
    await ingress.signal('SIGCONT')
    expect((await answer).status).toBe(200)
  })
})

describe('its Redis', () => {
  it('comes back with its data after a stop and after a kill', async () => {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const before = await redis()
      await before.set(`kept-${signal}`, 'yes')
      await system.redis.stop(signal)
      expect(before.status).not.toBe('ready')
      await system.redis.start()
      expect(await (await redis()).get(`kept-${signal}`)).toBe('yes')
    }
    await works(first(system.ingresses))
  })

  it('answers nothing while it is paused', async () => {
    const connection = await redis()
    system.redis.pause()
    const answer = connection.ping()
    expect(await Promise.race([answer, sleep(300, 'silent')])).toBe('silent')
    system.redis.resume()
    expect(await answer).toBe('PONG')
  })

  it('fails over to its replica with all its data, and back again', async () => {
    const urls = new Set([system.redis.url])
    await (await redis()).set('kept', 'through both')
    for (let round = 0; round < 2; round += 1) {
      const old = await redis()
      await system.redis.failOver()
      urls.add(system.redis.url)
      expect(await (await redis()).get('kept')).toBe('through both')
      expect(await old.info('replication')).toContain('role:slave')
      await works(first(system.ingresses))
    }
    expect(urls.size).toBe(2)
  })

  it('refuses writes for lack of memory until it has some again', async () => {
    const connection = await redis()
    await system.redis.fillMemory()
    await expect(connection.set('more', 'x')).rejects.toThrow('OOM')
    expect(await connection.get('kept')).toBe('through both')
    await system.redis.freeMemory()
    await connection.set('more', 'x')
  })

  it('loses its subscribers and no others', async () => {
    const connection = await redis()
    const list = async (type: string): Promise<string[]> =>
      [...String(await connection.call('CLIENT', 'LIST', 'TYPE', type)).matchAll(/^id=(\d+)/gm)].map(
        ([, id]) => `${id}`,
      )
    await works(first(system.ingresses))
    const [subscribers, others] = [await list('pubsub'), await list('normal')]
    expect(subscribers.length).toBeGreaterThan(0)
    await system.redis.killSubscribers()
    const [after, othersAfter] = [await list('pubsub'), await list('normal')]
    expect(after.filter((id) => subscribers.includes(id))).toEqual([])
    expect(othersAfter).toEqual(expect.arrayContaining(others))
  })

  it('is empty after it was wiped, replica and all, and serves on', async () => {
    await (await redis()).set('gone', 'x')
    await system.redis.wipe()
    expect(await (await redis()).get('gone')).toBeNull()
    await system.redis.failOver()
    expect(await (await redis()).get('gone')).toBeNull()
    await works(first(system.ingresses))
  })
})

describe('its upstream', () => {
  it('does what its script says, and tells what is under way', async () => {
    const { upstream } = system
    const url = `http://127.0.0.1:${upstream.proxy.port}/v1/chat/completions`
    const body = { model: 'cloud', user: 'direct', messages: [{ role: 'user', content: 'Hello' }] }
    await upstream.script('cloud', { fault: 418 })
    expect((await post(url, body)).status).toBe(418)
    await upstream.script('cloud', { fault: null, hang: 'before-headers' })
    const leaving = new AbortController()
    const hung = post(url, body, leaving.signal)
    await until(async () => (await upstream.inFlight()) === 1)
    leaving.abort()
    await expect(hung).rejects.toThrow()
    await until(async () => (await upstream.inFlight()) === 0)
    await upstream.script('cloud', null)
    expect((await post(url, body)).status).toBe(200)
    const calls = (await upstream.ledger()).filter(({ user }) => user === 'direct')
    expect(calls.map(({ outcome }) => outcome)).toEqual(['failed', 'aborted', 'answered'])
    await expect(upstream.script('cloud', { nonsense: 1 })).rejects.toThrow('nonsense')
  })
})

describe('the end of a system', () => {
  it('leaves no process and no file behind', async () => {
    const family = descendantsOf(process.pid)
    expect(family).toEqual(expect.arrayContaining([first(system.ingresses).pid, first(system.workers).pid]))
    expect(await readdir(temporary)).toHaveLength(1)
    await system.workers[0]?.signal('SIGSTOP')
    system.redis.pause()
    system.postgres.pause()
    await system.stop()
    await system.stop()
    await until(() => !family.some(isAlive))
    expect(await readdir(temporary)).toEqual([])
  })

  it('comes with that of the process that started it, even when that is killed', async () => {
    const parent = fork(join(import.meta.dirname, 'fixtures/system-parent.ts'), [], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
    })
    const [message] = await once(parent, 'message')
    expect(message).toBe('ready')
    const family = descendantsOf(parent.pid ?? 0)
    // A service, two Redis, a database, an upstream.
    expect(family.length).toBeGreaterThanOrEqual(5)
    parent.kill('SIGKILL')
    await until(() => !family.some(isAlive), { timeoutMs: 100_000, what: 'all have ended' })
  })
})
