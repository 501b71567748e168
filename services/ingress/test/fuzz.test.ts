import fc, { type Arbitrary } from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'
import { fromSchema, type Schema } from './support/schema-arbitrary.ts'

/** Requests for each route. More: `INFERQ_FUZZ_RUNS=500`; another seed: `INFERQ_FUZZ_SEED`. */
const runs = Number(process.env['INFERQ_FUZZ_RUNS'] ?? 12)
const seed = Number(process.env['INFERQ_FUZZ_SEED'] ?? 20_261_121)

let database: TestDatabase
let bench: Bench
let routes: readonly Route[]

beforeAll(async () => {
  database = await startDatabase()
  // Nobody plays the worker: who waits for an answer is told soon that there is none.
  const options = { interactiveMs: 300, asyncMs: 5_000, maxWaitSeconds: 1, idempotencyLeaseMs: 100 }
  bench = await createBench({ store: database.store, options, bodyBytes: 200_000 })
  routes = routesOf((await (await call(`${bench.url}/openapi.json`)).json()) as Document)
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface Route {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}

interface FuzzRequest {
  readonly url: string
  readonly method: string
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
}

describe('whatever a route is sent', () => {
  it('is answered in the envelope, and never with a failure of the server', { timeout: 600_000 }, async () => {
    expect(routes.length).toBeGreaterThan(20)
    for (const route of routes) {
      await fc.assert(
        fc.asyncProperty(requestTo(route), async (request) => {
          await expectAnswer(route, request)
        }),
        { seed, numRuns: runs, endOnFailure: true },
      )
    }
    expect(bench.lines.filter((line) => line['event'] === 'request-failed')).toEqual([])
    expect((await call(`${bench.url}/health/liveness`)).status).toBe(200)
  })
})

async function expectAnswer(route: Route, { url, method, body, headers }: FuzzRequest): Promise<void> {
  const text = body === undefined ? undefined : (JSON.stringify(body) ?? 'null')
  const signal = AbortSignal.timeout(60_000)
  const response = await call(bench.url + url, { method, headers, signal, ...(text === undefined ? {} : { text }) })
  const { status } = response
  const answer = await response.text()
  const told = `${method} ${url} ${text?.slice(0, 2_000)} → ${status} ${answer.slice(0, 500)}`
  if (status < 400) return
  if (isHealth(route)) return
  const { error } = JSON.parse(answer) as { error?: { message?: unknown; type?: unknown; code?: unknown } }
  expect(typeof error?.message, told).toBe('string')
  expect(typeof error?.type, told).toBe('string')
  // Without a worker nothing is ever answered.
  if (status >= 500)
    expect({ status, told, code: error?.code ?? 'job_expired' }).toEqual({ status: 504, told, code: 'job_expired' })
}

/** They say that no deployment answers. */
function isHealth({ path }: Route): boolean {
  return path.startsWith('/health')
}

function requestTo({ method, path, operation }: Route): Arbitrary<FuzzRequest> {
  const named = (where: string): Record<string, Arbitrary<unknown>> =>
    Object.fromEntries(
      (operation.parameters ?? [])
        .filter((parameter) => parameter.in === where)
        .map(({ name, schema }) => [name, fromSchema(schema)]),
    )
  const content = Object.values(operation.requestBody?.content ?? {})[0]
  const record = {
    path: fc.record(named('path')),
    query: fc.record(named('query'), { requiredKeys: [] }),
    strange: fc.option(fc.tuple(fc.string(), fc.string({ unit: 'binary' })), { freq: 8 }),
    body: content === undefined ? fc.option(fc.jsonValue(), { nil: undefined, freq: 4 }) : fromSchema(content.schema),
    key: fc.option(fc.constantFrom('a', 'b', '', 'k'.repeat(300)), { nil: undefined, freq: 6 }),
    prefer: fc.constantFrom('respond-async', 'respond-async, wait=0', 'wait=x, respond-async', 'RESPOND-ASYNC'),
  }
  return fc.record(record).map(({ path: inPath, query, strange, body, key, prefer }) => {
    const search = new URLSearchParams()
    for (const [name, value] of Object.entries(query)) search.append(name, textOf(value))
    if (strange !== null) search.append(...strange)
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(textOf(inPath[name]) || '-'))
    const isRead = method === 'GET' || method === 'HEAD'
    return {
      url: search.size === 0 ? filled : `${filled}?${search}`,
      method,
      body: isRead ? undefined : body,
      headers: { prefer, ...(key === undefined ? {} : { 'idempotency-key': key }) },
    }
  })
}

/** As it may stand in a URL: encodeURIComponent throws for half a surrogate pair. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return text.toWellFormed().slice(0, 500)
}

function routesOf({ paths }: Document): readonly Route[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
}
