import type { JobSpec } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, parseYaml } from './support.ts'

let bench: Bench
afterEach(() => bench.close())

const model = (name: string, url: string, more = '') =>
  `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "${url}", api_key: sk-test}, model_info: {${more || `class: ${name}`}}}`

const settings = `
router_settings: {allowed_fails: 2, cooldown_time: 60, num_retries: 2}
workers: {lock_s: 30, stalled_s: 1, drain_s: 3}
`
const configOf = (...lines: readonly string[]) => `model_list:\n${lines.join('\n')}\n${settings}`
const outcomes = (attempts: readonly { outcome?: string; error?: { code: string } }[]) =>
  attempts.map(({ outcome, error }) => `${outcome} ${error?.code ?? ''}`.trim())

describe('another configuration', () => {
  it('is served from the next job on: new classes, other limits', async () => {
    bench = await createBench((url) => configOf(model('a', url)))
    const { url } = bench.simulator
    await bench.startWorker()
    bench.live.swap(parseYaml(`${configOf(model('a', url), model('b', url))}\nclasses: {a: {concurrency: 1}}`))
    bench.simulator.script('b', { text: 'from b' })
    const { id } = await bench.submit({ model: 'b' })
    expect((await bench.end(id)).text).toBe('from b')

    bench.simulator.script('a', { text: 'one at a time', ttftMs: 100 })
    const specs = await Promise.all(Array.from({ length: 4 }, () => bench.submit({ model: 'a' })))
    await Promise.all(specs.map((spec) => bench.end(spec.id)))
    expect(bench.simulator.stats().models['a']?.maxConcurrency).toBe(1)
  })

  it('ends the jobs of a class that is gone at their next candidate', async () => {
    bench = await createBench((url) => configOf(model('old', url), model('new', url)))
    const { url } = bench.simulator
    await bench.startWorker()
    bench.live.swap(parseYaml(configOf(model('new', url))))
    bench.simulator.script('new', { text: 'served all the same' })
    const candidates: JobSpec['candidates'] = [
      { model: 'old', class: 'old', deployments: ['old/openai/old'] },
      { model: 'new', class: 'new', deployments: ['new/openai/new'] },
    ]
    const { id } = await bench.submit({ model: 'new', candidates })
    const end = await bench.end(id)
    expect(end.text).toBe('served all the same')
    expect(outcomes(end.report.attempts)).toContain('fallback no_deployment')
  })

  it('that arrives a moment after a job made for it still serves it', async () => {
    bench = await createBench((url) => configOf(model('a', url)))
    const { url } = bench.simulator
    await bench.startWorker()
    const candidates: JobSpec['candidates'] = [{ model: 'late', class: 'a', deployments: ['late/openai/late'] }]
    const { id } = await bench.submit({ model: 'a', candidates })
    await until(async () => ((await bench.tokenLog.record(id))?.attempt ?? 0) > 0)
    bench.simulator.script('late', { text: 'in time' })
    bench.live.swap(parseYaml(configOf(model('a', url), model('late', url, 'class: a'))))
    const end = await bench.end(id)
    expect(end.text).toBe('in time')
    expect(end.record?.tries).toBe(1)
  })

  it('with another key leaves the calls under way alone', async () => {
    bench = await createBench((url) => configOf(model('a', url)))
    const { url } = bench.simulator
    await bench.startWorker()
    bench.simulator.script('a', { text: 'a slow answer that goes on', interTokenMs: 60 })
    const { id } = await bench.submit({ model: 'a' })
    await until(() => bench.simulator.stats().models['a']?.running === 1)
    bench.live.swap(parseYaml(configOf(model('a', url)).replaceAll('sk-test', 'sk-new')))
    const second = await bench.submit({ model: 'a' })
    const [first] = await Promise.all([bench.end(id), bench.end(second.id)])
    expect(outcomes(first.report.attempts)).toEqual(['completed'])
  })
})

describe('several deployments of a model', () => {
  it('are tried one after the other, at once', async () => {
    bench = await createBench((url) => {
      const one = (name: string) =>
        `  - {model_name: m, litellm_params: {model: openai/${name}, api_base: "${url}", api_key: sk-test}, model_info: {class: c}}`
      return configOf(one('x'), one('y'), one('z'))
    })
    await bench.startWorker()
    for (const name of ['x', 'y', 'z']) bench.simulator.script(name, { fault: { status: 500 } })
    const { id } = await bench.submit({ model: 'm' })
    const end = await bench.end(id)
    expect(end.status).toBe('failed')
    const tried = end.report.attempts.map(({ deployment }) => deployment)
    expect(new Set(tried).size).toBe(3)
    const requeued = end.entries.filter(({ kind }) => kind === 'r').map(({ payload }) => JSON.parse(payload))
    expect(requeued).toMatchObject([{ delayMs: 0 }, { delayMs: 0 }])
  })
})

describe('an open circuit', () => {
  it('sends jobs to the next candidate without a call', async () => {
    bench = await createBench((url) => configOf(model('bad', url), model('good', url)))
    await bench.startWorker()
    bench.simulator.script('bad', { fault: { status: 500 } })
    bench.simulator.script('good', { text: 'good' })
    const candidates: JobSpec['candidates'] = [
      { model: 'bad', class: 'bad', deployments: ['bad/openai/bad'] },
      { model: 'good', class: 'good', deployments: ['good/openai/good'] },
    ]
    await bench.end((await bench.submit({ model: 'bad', candidates })).id)
    const before = bench.simulator.stats().models['bad']?.calls ?? 0
    const end = await bench.end((await bench.submit({ model: 'bad', candidates })).id)
    expect(outcomes(end.report.attempts)).toEqual(['fallback circuit_open', 'completed'])
    expect(bench.simulator.stats().models['bad']?.calls).toBe(before)
  })

  it('is closed by a background check when the upstream is back', async () => {
    bench = await createBench((url) =>
      configOf(model('flaky', url))
        .replace(
          'router_settings: {allowed_fails: 2, cooldown_time: 60',
          'general_settings: {background_health_checks: true, health_check_interval: 1}\nrouter_settings: {allowed_fails: 1, cooldown_time: 1',
        )
        .replace('num_retries: 2', 'num_retries: 0'),
    )
    bench.simulator.script('flaky', { fault: { status: 500 } })
    await bench.startWorker()
    const { id } = await bench.submit({ model: 'flaky', mode: 'interactive' })
    expect((await bench.end(id)).status).toBe('failed')
    bench.simulator.script('flaky', { text: 'back', fault: null })
    const circuits = bench.server.keys.circuits()
    const closed = async () => (await bench.redis.hexists(circuits, 'flaky/openai/flaky')) === 0
    await until(closed, { what: 'the circuit to close without traffic' })
    expect(bench.simulator.stats().models['flaky']?.completed).toBe(1)
  })
})

describe('what broke off', () => {
  it('is on the bill of its attempt, as an estimate, and not on that of the job', async () => {
    bench = await createBench((url) => {
      const price = 'input_cost_per_token: 0.000001, output_cost_per_token: 0.000002'
      return configOf(model('a', url, `class: a, ${price}`), model('b', url, `class: b, ${price}`))
    })
    await bench.startWorker()
    bench.simulator.script('a', { text: 'some words that nobody will see in the end', cutAfter: 5, interTokenMs: 5 })
    bench.simulator.script('b', { text: 'done', usage: { prompt_tokens: 100, completion_tokens: 10 } })
    const candidates: JobSpec['candidates'] = [
      { model: 'a', class: 'a', deployments: ['a/openai/a'] },
      { model: 'b', class: 'b', deployments: ['b/openai/b'] },
    ]
    const { report } = await bench.end((await bench.submit({ model: 'a', candidates })).id)
    expect(report.attempts[0]).toMatchObject({ usage: { estimated: true } })
    expect(report.attempts[0]?.costNanoUsd).toBeGreaterThan(0)
    expect(report).toMatchObject({ servedModel: 'b', costNanoUsd: 120_000, usage: { promptTokens: 100 } })
  })
})
