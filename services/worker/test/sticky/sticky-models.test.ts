import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createWorkerRegistry } from '@inferq/queue'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { type Bench, createBench, parseYaml } from '../support.ts'

let bench: Bench
let ollama: Simulator
let front: Server | undefined

afterEach(async () => {
  await bench.close()
  await ollama.stop()
  front?.close()
  front = undefined
})

const yaml = (url: string, workers = '') => `
model_list:
  - {model_name: a, litellm_params: {model: ollama/a, api_base: "${url}"}}
  - {model_name: b, litellm_params: {model: ollama/b, api_base: "${url}"}}
classes: {a: {swap_cost_s: 30, options: {num_ctx: 2048}}, b: {swap_cost_s: 30}}
workers: {lock_s: 30, stalled_s: 1, drain_s: 1${workers}}
`

/** A worker of both classes, and an Ollama with room for so many models. */
async function start({ room = 1, workers = '', url = async (to: string) => to }): Promise<void> {
  ollama = createSimulator({ maxLoaded: room, defaults: { swapMs: 30, text: 'done' }, keptRequests: 10_000 })
  await ollama.start()
  const at = await url(ollama.url)
  bench = await createBench(() => yaml(at, workers))
}

/** Submits, and gives the ids. */
const submit = (...models: readonly string[]) =>
  Promise.all(models.map(async (model) => (await bench.submit({ model })).id))

const completed = async (id: string) => expect((await bench.end(id)).status).toBe('completed')

const mixed = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 'a' : 'b'))

/** How often the model changed from one call to the next. */
const changes = () => {
  const models = (ollama.stats({ requests: true }).requests ?? []).flatMap(({ model }) => model ?? [])
  return models.filter((model, index) => index > 0 && model !== models[index - 1]).length
}

describe('two models on an Ollama that holds one', () => {
  it('are served with few swaps when their jobs come mixed', async () => {
    await start({})
    const ids = await submit(...mixed)
    await bench.startWorker(['a', 'b'])
    for (const id of ids) await completed(id)
    expect(ollama.stats().total).toMatchObject({ completed: 60 })
    expect(ollama.stats().total.swaps).toBeGreaterThan(0)
    expect(ollama.stats().total.swaps).toBeLessThanOrEqual(8)
  })

  it('change their turn for a lone job that has waited, though the other model never runs dry', async () => {
    await start({ workers: ', model_dwell_s: 1, model_ageing_s: 1' })
    ollama.script('a', { ttftMs: 200 })
    await submit(...Array.from({ length: 400 }, () => 'a'))
    await bench.startWorker(['a', 'b'])
    await until(() => (ollama.stats().models['a']?.calls ?? 0) > 0, { what: 'the first call of a' })
    const [lone = ''] = await submit('b')
    await completed(lone)
    expect((await bench.queue.depth('a')).waiting).toBeGreaterThan(0)
    // Four slots of a fifth of a second: twenty seconds of work, whatever the machine.
    const before = ollama.stats().models['a']?.calls ?? 0
    await until(() => (ollama.stats().models['a']?.calls ?? 0) > before, { what: 'a to go on' })
  })

  it('are not called with other load options than their class has, so that nothing loads twice', async () => {
    await start({})
    await bench.startWorker(['a', 'b'])
    const body = { messages: [{ role: 'user', content: 'hi' }] }
    for (const more of [
      {},
      { num_ctx: 512 },
      { options: { num_ctx: 512, num_gpu: 0 } },
      { keep_alive: 0 },
      { num_batch: 8 },
    ]) {
      await completed((await bench.submit({ model: 'a', request: { model: 'a', ...body, ...more } })).id)
    }
    expect(ollama.stats().total).toMatchObject({ completed: 5, loads: 1, swaps: 0 })
  })

  it('take turns also where it cannot be asked what is loaded', async () => {
    await start({
      url: async (to) => {
        front = createServer((incoming, response) => {
          if (incoming.url === '/api/ps') return void response.writeHead(500).end()
          const { method, url = '', headers } = incoming
          const out = request(new URL(url, to), { method, headers }, (answer) => {
            response.writeHead(answer.statusCode ?? 500, answer.headers)
            answer.pipe(response)
          })
          out.on('error', () => response.destroy())
          incoming.pipe(out)
        })
        const server = front
        await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
        return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      },
    })
    const ids = await submit(...mixed)
    await bench.startWorker(['a', 'b'])
    for (const id of ids) await completed(id)
    expect(ollama.stats().total.swaps).toBeLessThanOrEqual(8)
    expect(bench.lines.filter(({ event }) => event === 'loaded-models-unreadable')).toHaveLength(1)
  })

  it('wait while the other one runs, and the list of workers says why', async () => {
    await start({})
    ollama.script('a', { hang: { afterTokens: 1 } })
    await bench.startWorker(['a', 'b'])
    const [running = ''] = await submit('a')
    await until(() => ollama.stats().total.running === 1, { what: 'a to run' })
    const [waiting = ''] = await submit('b')
    const registry = createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys })
    const lanes = await until(
      async () => {
        const [worker] = await registry.list()
        return worker?.inFlight === 1 ? worker.lanes : undefined
      },
      { what: 'a beat' },
    )
    expect(lanes).toMatchObject([
      { class: 'a', limit: 4 },
      { class: 'b', limit: 0, configured: 4, held: 'model_not_loaded' },
    ])
    expect(ollama.stats().models['b']).toBeUndefined()
    await bench.cancel(running)
    await completed(waiting)
  })

  it('are free at once when the configuration gives one of them a place of its own', async () => {
    await start({})
    ollama.script('a', { hang: { afterTokens: 1 } })
    await bench.startWorker(['a', 'b'])
    const [running = ''] = await submit('a')
    await until(() => ollama.stats().total.running === 1, { what: 'a to run' })
    const [held = ''] = await submit('b')
    const other = createSimulator({ defaults: { text: 'done' } })
    await other.start()
    const config = yaml(ollama.url).replace(`ollama/b, api_base: "${ollama.url}"`, `ollama/b, api_base: "${other.url}"`)
    bench.live.swap(parseYaml(config))
    await completed(held)
    expect(other.stats().total.completed).toBe(1)
    await bench.cancel(running)
    await other.stop()
  })
})

describe('two models on an Ollama that holds both', () => {
  it('are served side by side as soon as both have been loaded', async () => {
    await start({ room: 2 })
    await bench.startWorker(['a', 'b'])
    for (const model of ['a', 'b']) for (const id of await submit(model)) await completed(id)
    ollama.script('b', { hang: { afterTokens: 1 } })
    const [running = ''] = await submit('b')
    await until(() => ollama.stats().total.running === 1, { what: 'b to run' })
    for (const id of await submit('a')) await completed(id)
    expect(ollama.stats().total.running).toBe(1)
    expect(ollama.stats().total.swaps).toBe(0)
    await bench.cancel(running)
  })

  it('are served side by side from the first job when the configuration says that it holds two', async () => {
    await start({ room: 2, workers: ', max_loaded_models: 2' })
    ollama.script('a', { hang: { afterTokens: 1 } })
    await bench.startWorker(['a', 'b'])
    const [running = ''] = await submit('a')
    await until(() => ollama.stats().total.running === 1, { what: 'a to run' })
    for (const id of await submit('b')) await completed(id)
    await bench.cancel(running)
  })
})

it('two models of another server take turns when the configuration says how many it holds', async () => {
  ollama = createSimulator({ defaults: { text: 'done' }, keptRequests: 10_000 })
  await ollama.start()
  const config = (workers: string) => yaml(`${ollama.url}/v1`, workers).replaceAll('ollama/', 'lm_studio/')
  bench = await createBench(() => config(', max_loaded_models: 1'))
  const ids = await submit(...mixed)
  await bench.startWorker(['a', 'b'])
  for (const id of ids) await completed(id)
  expect(changes()).toBeLessThanOrEqual(8)
})
