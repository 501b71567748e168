import { expect, test } from 'vitest'
import { createInferqMetrics, createMetrics } from '../src/index.ts'

test('renders what was counted, under the names that dashboards use', async () => {
  const metrics = createMetrics({ nodeMetrics: false })
  const inferq = createInferqMetrics(metrics)
  const labels = { model_class: 'llama', model: 'llama3.1', type: 'completion', outcome: 'completed' }
  inferq.jobs.with(labels).inc()
  inferq.jobs.with(labels).inc(2)
  inferq.timeToFirstTokenSeconds.with({ model_class: 'llama', model: 'llama3.1' }).observe(0.02)
  inferq.tokens.with({ model_class: 'llama', model: 'llama3.1', direction: 'completion' }).inc(150)
  const page = await metrics.render()
  expect(page).toContain(
    'inferq_jobs_total{model_class="llama",model="llama3.1",type="completion",outcome="completed"} 3',
  )
  expect(page).toContain('inferq_time_to_first_token_seconds_bucket{le="0.025",model_class="llama",model="llama3.1"} 1')
  expect(page).toContain('inferq_tokens_total{model_class="llama",model="llama3.1",direction="completion"} 150')
})

test('gives the same series for the same labels', () => {
  const family = createMetrics({ nodeMetrics: false }).counter({ name: 'a_total', help: 'a', labels: ['reason'] })
  expect(family.with({ reason: 'x' })).toBe(family.with({ reason: 'x' }))
  expect(family.with({ reason: 'x' })).not.toBe(family.with({ reason: 'y' }))
})

test('puts series beyond the bound into one labelled other', async () => {
  const metrics = createMetrics({ nodeMetrics: false })
  const family = metrics.counter({ name: 'a_total', help: 'a', labels: ['reason'], maxSeries: 3 })
  for (let reason = 0; reason < 100; reason++) family.with({ reason: String(reason) }).inc()
  const page = await metrics.render()
  expect(page.match(/^a_total\{/gm)).toHaveLength(4)
  expect(page).toContain('a_total{reason="other"} 97')
})

test('asks a collected gauge at each scrape', async () => {
  const metrics = createMetrics({ nodeMetrics: false })
  let depth = 0
  metrics.gauge({ name: 'depth', help: 'd', collect: (gauge) => gauge.with({}).set(++depth) })
  expect(await metrics.render()).toContain('depth 1')
  expect(await metrics.render()).toContain('depth 2')
})

test('brings the metrics of Node and keeps registries apart', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  createInferqMetrics(one)
  createInferqMetrics(other)
  expect(await one.render()).toContain('nodejs_eventloop_lag_seconds')
  expect(one.contentType).toContain('text/plain')
})
