import { type SseReader, until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { createJobs, expectWholeStream, type Jobs, queryRows, textOf, untilRecorded, wordsOf } from '../support/jobs.ts'
import { type GpuNode, startNode } from '../support/nodes.ts'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

// Many processes start here, and some wait for a lock to expire: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 })

/** Every node has a backend of its own. */
const config = `
model_list:
  - model_name: gpu
    litellm_params: {model: hosted_vllm/gpu, api_base: "http://127.0.0.1:9/v1"}
classes: {gpu: {concurrency: 8}}
workers: {drain_s: 3}
`
/** From a cut to the first sign of another node's attempt: 10 s are promised; the rest is for a busy machine. */
const elsewhereWithinMs = 20_000
const words = wordsOf(40)
const endless = { text: wordsOf(5_000), interTokenMs: 200 }
const quick = { text: words, interTokenMs: 10 }

let stack: Stack
let ingress: ServiceProcess
let jobs: Jobs
let nodes: readonly GpuNode[] = []
let [first, second, third, fourth] = [] as unknown as [GpuNode, GpuNode, GpuNode, GpuNode]

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startController()])
  jobs = createJobs(stack, () => ingress.url)
  nodes = await Promise.all([1, 2, 3, 4].map((number) => startNode(stack, number, 'gpu')))
  ;[first, second, third, fourth] = nodes as [GpuNode, GpuNode, GpuNode, GpuNode]
})
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.stop()))
  await stack.close()
})

/** From now on these nodes take jobs, and no others. */
async function serveOn(...wanted: readonly GpuNode[]): Promise<void> {
  const headers = { authorization: `Bearer ${stack.masterKey}` }
  const lastOrder = ({ worker }: GpuNode): string =>
    worker.lines.findLast((line) => /"event":"drain-(ordered|cancelled)"/.test(line)) ?? 'drain-cancelled'
  await Promise.all(
    nodes.map(async (node) => {
      const takes = wanted.includes(node)
      const method = takes ? 'DELETE' : 'POST'
      const url = `${ingress.url}/v1/workers/${node.name}/drain`
      const order = async (): Promise<boolean> => (await fetch(url, { method, headers })).status === 202
      // It is not listed while it is cut off.
      await until(order, { everyMs: 50, timeoutMs: 40_000, what: `${node.name} lives` })
      const word = takes ? 'drain-cancelled' : 'drain-ordered'
      await until(() => lastOrder(node).includes(word), { timeoutMs: 40_000, what: `${node.name}: ${word}` })
    }),
  )
}

const runningOn = (node: GpuNode): number => node.backend.stats().models['gpu']?.running ?? 0

/** Jobs that run on these nodes and would for long; every reader has seen text of its own. */
async function occupy(count: number, ...lost: readonly GpuNode[]): Promise<readonly SseReader[]> {
  await serveOn(...lost)
  for (const node of nodes) node.backend.script('gpu', lost.includes(node) ? endless : quick)
  const readers = await Promise.all(Array.from({ length: count }, async () => jobs.read((await jobs.submit('gpu')).id)))
  const hasText = ({ events }: SseReader): boolean => events.some(({ event }) => event === 'output.delta')
  await until(() => readers.every(hasText))
  expect(lost.reduce((sum, node) => sum + runningOn(node), 0)).toBe(count)
  return readers
}

/** How long after `since` each reader saw another attempt begin, in ms. */
async function untilElsewhere(readers: readonly SseReader[], since: number): Promise<readonly number[]> {
  const seenAt = new Map<SseReader, number>()
  const look = (): boolean => {
    for (const reader of readers) {
      const attempts = reader.events.filter(({ event }) => event === 'job.started').length
      if (attempts > 1 && !seenAt.has(reader)) seenAt.set(reader, performance.now())
    }
    return seenAt.size === readers.length
  }
  await until(look, { timeoutMs: 60_000, what: 'every job runs elsewhere' })
  const took = [...seenAt.values()].map((at) => Math.round(at - since))
  console.info(`elsewhere after ${Math.min(...took)} to ${Math.max(...took)} ms`)
  return took
}

const idOf = (reader: SseReader): string =>
  (JSON.parse(reader.events.find(({ event }) => event === 'job.queued')?.data ?? '{}') as { job_id: string }).job_id

async function expectWhole(reader: SseReader): Promise<void> {
  expect(await reader.ended).toBe('clean')
  expectWholeStream(reader.events)
  expect(textOf(reader.events)).toBe(words)
}

/** Each has ended once, for the record as well. */
async function expectOnce(ids: readonly string[]): Promise<void> {
  await untilRecorded(stack)
  const rows = await queryRows<{ job_id: string }>(stack, 'select job_id from usage where job_id = any($1)', [ids])
  expect(rows.map(({ job_id: id }) => id).sort()).toEqual([...ids].sort())
}

async function expectServedBy(node: GpuNode): Promise<string> {
  const { id } = await jobs.submit('gpu')
  expect(textOf((await jobs.follow(id)).events)).toBe(words)
  expect((await jobs.get(id)).attempts?.at(-1)?.worker).toBe(node.name)
  return id
}

it('a node cut off from Redis: its jobs run elsewhere within 10 s, what it still does counts for nothing, and it serves again', async () => {
  const under = await occupy(3, first)
  await serveOn(first, second)
  const cutAt = performance.now()
  first.toRedis.blackhole()
  expect(Math.max(...(await untilElsewhere(under, cutAt)))).toBeLessThan(elsewhereWithinMs)
  for (const reader of under) await expectWhole(reader)
  const ids = under.map(idOf)
  const redis = await stack.redis.connect()
  const logs = () => Promise.all(ids.map((id) => redis.xrange(stack.redis.keys.log(id), '-', '+')))
  const before = await logs()

  // Back again: it hears that its jobs are another's, and drops their calls.
  first.toRedis.pass()
  await until(() => runningOn(first) === 0, { timeoutMs: 40_000, what: 'its calls have ended' })
  expect(await logs()).toEqual(before)
  first.backend.script('gpu', quick)
  await serveOn(first)
  await expectOnce([...ids, await expectServedBy(first)])
})

it('a node cut off from its backend alone: its jobs go on elsewhere, and it takes none until the backend is back', async () => {
  const under = await occupy(2, first)
  await serveOn(first, second)
  const heldBefore = held(first)
  const cutAt = performance.now()
  first.toBackend.refuse()
  first.toBackend.reset()
  expect(Math.max(...(await untilElsewhere(under, cutAt)))).toBeLessThan(elsewhereWithinMs)
  for (const reader of under) await expectWhole(reader)
  await until(() => held(first) > heldBefore)
  const meanwhile = await expectServedBy(second)

  first.backend.script('gpu', quick)
  first.toBackend.pass()
  await serveOn(first)
  await expectOnce([...under.map(idOf), meanwhile, await expectServedBy(first)])
})

const held = ({ worker }: GpuNode): number => worker.lines.filter((line) => line.includes('worker-held')).length

it('half of the nodes cut off at once: every job ends once, on the other half', async () => {
  const under = await occupy(12, first, second)
  await serveOn(first, second, third, fourth)
  const cutAt = performance.now()
  for (const node of [first, second]) node.toRedis.blackhole()
  const more = await Promise.all(Array.from({ length: 12 }, () => jobs.submit('gpu')))
  expect(Math.max(...(await untilElsewhere(under, cutAt)))).toBeLessThan(elsewhereWithinMs)
  for (const reader of under) await expectWhole(reader)
  for (const { id } of more) expect(textOf((await jobs.follow(id)).events)).toBe(words)
  for (const node of [first, second]) node.toRedis.pass()
  await until(() => runningOn(first) + runningOn(second) === 0, { timeoutMs: 40_000, what: 'their calls have ended' })
  await expectOnce([...under.map(idOf), ...more.map(({ id }) => id)])
})
