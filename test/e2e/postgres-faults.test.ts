import type { JobView } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** How long Postgres is away in the first test; by hand it was 300. */
const outageMs = Number(process.env['INFERQ_TEST_OUTAGE_SECONDS'] ?? 2) * 1000

let stack: Stack
let ingress: ServiceProcess
let controller: ServiceProcess
let headers: Record<string, string>

let proxy: TcpProxy

beforeAll(async () => {
  stack = await startStack(undefined, {
    variables: () => ({ DATABASE_URL: `postgres://postgres@127.0.0.1:${proxy.port}/postgres` }),
  })
  proxy = await startTcpProxy({ path: stack.postgres.socketPath })
  ;[ingress, , controller] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
  stack.simulator.script('chat', { text: 'Hello', interTokenMs: 0 })
})
afterAll(async () => {
  proxy?.pass()
  await stack?.close()
  await proxy?.stop()
})

const request = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }

function signal(name: NodeJS.Signals): void {
  const { pid } = stack.postgres
  if (pid === undefined) throw new Error('Postgres does not run')
  process.kill(pid, name)
}

function post(path: string, body: object, key?: string): Promise<Response> {
  const own = key === undefined ? {} : { 'idempotency-key': key }
  return fetch(ingress.url + path, { method: 'POST', headers: { ...headers, ...own }, body: JSON.stringify(body) })
}

async function query(text: string, values: readonly unknown[]): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: stack.databaseUrl })
  await client.connect()
  try {
    return (await client.query(text, [...values])).rows
  } finally {
    await client.end()
  }
}

const recorded = async () => {
  const redis = await stack.redis.connect()
  await until(async () => (await redis.xlen(stack.redis.keys.outcomes())) === 0, { timeoutMs: 30_000 })
}

it(
  'goes on with interactive requests while Postgres is away, and bills each of them once when it is back',
  async () => {
    proxy.blackhole()
    const endsAt = performance.now() + outageMs
    const served: string[] = []
    let slowestMs = 0
    for (let i = 0; i < 10 || performance.now() < endsAt; i++) {
      const startedAt = performance.now()
      const response = await post('/v1/chat/completions', { ...request, stream: i % 2 === 1 })
      expect(response.status).toBe(200)
      expect(await response.text()).toContain('Hello')
      slowestMs = Math.max(slowestMs, performance.now() - startedAt)
      served.push(response.headers.get('x-inferq-job-id') ?? '')
      if (i % 10 === 0) await expectRefused()
    }
    console.log(
      `${served.length} requests in ${Math.round(outageMs / 1000)} s without Postgres, the slowest ${Math.round(slowestMs)} ms`,
    )
    proxy.pass()
    await recorded()
    const bills = await query(
      'select job_id, count(*)::integer as count from usage where job_id = any($1) group by job_id',
      [served],
    )
    expect(bills).toHaveLength(served.length)
    expect(bills.every(({ count }) => count === 1)).toBe(true)
    expect(controller.lines.some((line) => line.includes('outcome-lost'))).toBe(false)
  },
  outageMs + 60_000,
)

/** In time, though the clock of a busy machine runs beside it. */
async function expectRefused(): Promise<void> {
  const startedAt = performance.now()
  const response = await post('/v1/jobs', { type: 'completion', request })
  expect(response.status).toBe(503)
  expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(performance.now() - startedAt).toBeLessThan(10_000)
}

it('makes one job of every key and loses none that was accepted, however often Postgres stops under its submits', async () => {
  let isOver = false
  const accepted = new Map<string, string>()
  const clients = Array.from({ length: 6 }, async (_, client) => {
    for (let n = 0; !isOver; n++) {
      const key = `key-${client}-${n}`
      const body = { type: 'completion', request, metadata: { key } }
      // As documented: the same key until there is an answer.
      const response = await until(
        async () => {
          const tried = await post('/v1/jobs', body, key)
          // 200: an earlier try was kept, though its answer was 503, and the job has ended by now.
          if (tried.status === 202 || tried.status === 200) return tried
          expect(tried.status).toBe(503)
          return undefined
        },
        { everyMs: 50 },
      )
      accepted.set(key, ((await response.json()) as JobView).id)
    }
  })
  for (const name of ['SIGSTOP', 'SIGKILL', 'SIGSTOP', 'SIGKILL'] as const) {
    const before = accepted.size
    await until(() => accepted.size > before + 3, { timeoutMs: 30_000 })
    const { pid } = stack.postgres
    signal(name)
    if (name === 'SIGKILL') await until(() => stack.postgres.pid !== undefined && stack.postgres.pid !== pid)
    else {
      await expectRefused()
      signal('SIGCONT')
    }
  }
  isOver = true
  await Promise.all(clients)

  const keys = [...accepted.keys()]
  const rows = () =>
    query(`select id, status, metadata ->> 'key' as key from jobs where metadata ->> 'key' = any($1)`, [keys])
  await until(async () => (await rows()).every(({ status }) => status === 'completed'), {
    timeoutMs: 30_000,
    everyMs: 100,
  })
  expect(new Map((await rows()).map(({ key, id }) => [key, id]))).toEqual(accepted)
  expect(await rows()).toHaveLength(accepted.size)
  await recorded()
  const bills = await query('select job_id from usage where job_id = any($1)', [[...accepted.values()]])
  expect(bills).toHaveLength(accepted.size)
})
