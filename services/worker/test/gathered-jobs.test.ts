import type { JobSpec } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Bench, createBench, type End, parseYaml } from './support.ts'

const yaml = (url: string) => `
model_list:
  - model_name: embed
    litellm_params: {model: vllm/embed, api_base: "${url}/v1"}
    model_info: {class: embed, mode: embedding}
workers: {lock_s: 30, stalled_s: 2, max_attempts: 2, drain_s: 3}
breaker: {allowed_fails: 2, cooldown_s: 60}
`

let bench: Bench

beforeEach(async () => {
  bench = await createBench(yaml)
})
afterEach(async () => {
  await bench.close()
})

const submit = (input: unknown, overrides: Partial<JobSpec> = {}) =>
  bench.submit({
    ...{ type: 'embedding', operation: 'embeddings', model: 'embed', stream: false, mode: 'async', keepResult: true },
    ...{ request: { model: 'embed', input, dimensions: 8 }, ...overrides },
  })
const submitAll = (inputs: readonly unknown[]) => Promise.all(inputs.map((input) => submit(input)))
const endsOf = (specs: readonly JobSpec[]): Promise<End[]> => Promise.all(specs.map(({ id }) => bench.end(id)))
const texts = (count: number) => Array.from({ length: count }, (_, index) => `text number ${index}`)
const outcomes = ({ report }: End) => report.attempts.map(({ outcome }) => outcome)

it('jobs that wait together are embedded in few calls, and billed what these cost', async () => {
  // So long that the others have come by then.
  bench.simulator.script('embed', { embedding: { fixedMs: 500 } })
  const specs = await submitAll(texts(40))
  await bench.startWorker()
  const ends = await endsOf(specs)
  const { embeddingCalls, embeddingItems, promptTokens } = bench.simulator.stats().total
  expect(embeddingItems).toBe(40)
  expect(embeddingCalls).toBeLessThan(20)
  expect(ends.reduce((sum, { report }) => sum + (report.usage?.promptTokens ?? 0), 0)).toBe(promptTokens)
  expect(ends.map(outcomes)).toEqual(ends.map(() => ['completed']))
})

it('a job whose call failed with others tries again alone, and one failed call is one failure of its deployment', async () => {
  bench.simulator.script('embed', {
    next: [{ embedding: { fixedMs: 1_000 } }, { fault: 500 }],
    embedding: { fixedMs: 100 },
  })
  await bench.startWorker()
  const first = await submit('first')
  // While a call is under way, others are gathered.
  await until(() => bench.simulator.stats().total.running === 1)
  const specs = [first, ...(await submitAll(texts(39)))]
  const ends = await endsOf(specs)
  const failed = ends.filter((end) => outcomes(end).length > 1)
  expect(failed).not.toHaveLength(0)
  expect(failed.map(outcomes)).toEqual(failed.map(() => ['retried', 'completed']))
  // Of a shared call it would be an estimate.
  for (const { report } of failed) expect(report.usage).not.toHaveProperty('estimated')
  // An open circuit would have put them back.
  const codes = ends.flatMap(({ report }) => report.attempts.flatMap(({ error }) => error?.code ?? []))
  expect(new Set(codes)).toEqual(new Set(['upstream_error']))
  const { embeddingItems, failed: failedCalls } = bench.simulator.stats().total
  expect([embeddingItems, failedCalls]).toEqual([40 + failed.length, 1])
})

it('an input that makes the upstream fail, which looks like its own failure, fails its own job and no other', async () => {
  bench.live.swap(parseYaml(yaml(bench.simulator.url).replace('allowed_fails: 2', 'enabled: false')))
  bench.simulator.script('embed', { embedding: { rejectContaining: 'poison', rejectStatus: 500 } })
  const specs = await submitAll([...texts(30), 'poison'])
  await bench.startWorker()
  const ends = await endsOf(specs)
  expect(ends.map(({ status }) => status)).toEqual([...texts(30).map(() => 'completed'), 'failed'])
  expect(ends.at(-1)?.payload.error).toMatchObject({ code: 'upstream_error' })
})

it('an input that the upstream refuses fails its own job, at once, and no other', async () => {
  bench.simulator.script('embed', { embedding: { rejectContaining: 'poison' } })
  const specs = await submitAll([...texts(12), 'poison'])
  await bench.startWorker()
  const ends = await endsOf(specs)
  expect(ends.map(({ status }) => status)).toEqual([...texts(12).map(() => 'completed'), 'failed'])
  expect(ends.at(-1)?.payload.error).toMatchObject({ code: 'upstream_invalid_request', param: 'input' })
  expect(ends.at(-1)?.report.attempts).toHaveLength(1)
})

it('a job that is cancelled while its call is under way leaves the others theirs', async () => {
  bench.simulator.script('embed', { embedding: { fixedMs: 1_500 } })
  const [cancelled, ...others] = await submitAll(texts(6))
  await bench.startWorker()
  await until(() => bench.simulator.stats().total.running > 0)
  if (cancelled === undefined) throw new Error('no job')
  await bench.cancel(cancelled.id)
  const [end, ...rest] = await endsOf([cancelled, ...others])
  expect(end?.status).toBe('cancelled')
  expect(rest.map(({ status }) => status)).toEqual(rest.map(() => 'completed'))
})
