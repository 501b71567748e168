import { type ConfigResult, parseConfig } from '@inferq/config'
import {
  createLiveConfig,
  createModelOverlay,
  createSealer,
  type LiveConfig,
  type OverlayModel,
} from '@inferq/liveconfig'
import { createDeadline } from '@inferq/runtime'
import { createStore } from '@inferq/store'
import { createLogger, createMetrics } from '@inferq/telemetry'
import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { composeIngress } from '../src/index.ts'
import { clock } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

const fileYaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://user:pw@127.0.0.1:9/v1", api_key: sk-in-file, rpm: 60}
    model_info: {input_cost_per_token: 0.0000025, output_cost_per_token: 0.00001, context_window: 8192}
  - model_name: spare
    litellm_params: {model: openai/spare, api_base: "http://127.0.0.1:9/v1", api_key: sk-in-file}
router_settings: {fallbacks: [{chat: [spare]}]}
`
const key = 'sk-test-master'
/** One for all: making its key takes a while. */
const sealer = createSealer('test')
const lines: string[] = []
const log = createLogger({ service: 'ingress', level: 'debug', destination: { write: (line) => lines.push(line) } })

let database: TestDatabase
let redis: TestRedis
let file: { text: string }
let running: { stop(): Promise<void> }[] = []

beforeAll(async () => {
  database = await startDatabase()
})
afterAll(() => database?.stop())
beforeEach(async () => {
  redis = createTestRedis()
  file = { text: fileYaml }
  lines.length = 0
  for (const { id } of (await database.store.listModels()).models) await database.store.deleteModel(id)
})
afterEach(async () => {
  for (const one of running.reverse()) await one.stop()
  running = []
  await redis.close()
})

interface Running {
  readonly url: string
  readonly live: LiveConfig
  models(): string[]
}

/** An ingress as the command composes it; all of a test share file, Redis and database. */
async function startIngress(store = database.store): Promise<Running> {
  const load = (overlay: readonly OverlayModel[]): ConfigResult =>
    parseConfig({ source: { file: 'test.yaml', text: file.text }, env: { FROM_ENV: 'sk-in-env' }, overlay })
  const initial = load([])
  if (initial.kind !== 'config') throw new Error(JSON.stringify(initial.faults))
  const connections = { redis: await redis.connect(), subscriber: await redis.connect('subscriber') }
  const live = createLiveConfig({ initial: initial.config, load, ...connections, keys: redis.keys, sealer, clock, log })
  const ingress = composeIngress({
    ...{ live, sealer, listen: { port: 0 }, masterKey: key, redisUrl: redis.url, namespace: redis.keys.namespace },
    ...{ store, clock, log, metrics: createMetrics({ nodeMetrics: false }), stopTimeoutMs: 1_000 },
  })
  await live.start()
  await ingress.start()
  running.push({
    async stop() {
      await ingress.stop()
      const deadline = createDeadline(clock, { timeoutMs: 1_000, what: 'stopping' })
      await live.stop(deadline)
      deadline.release()
    },
  })
  return { url: ingress.url(), live, models: () => live.current().models.map(({ name }) => name) }
}

async function post(url: string, json: unknown, method = 'POST'): Promise<{ status: number; body: never }> {
  const response = await call(url, { json, method, key })
  return { status: response.status, body: (await response.json()) as never }
}

async function get(url: string): Promise<{ data: Record<string, Record<string, unknown>>[]; left_out: string[] }> {
  return (await (await call(url, { key })).json()) as never
}

const added = {
  model_name: 'added',
  litellm_params: { model: 'openai/new', api_base: 'http://127.0.0.1:9/v1', api_key: 'sk-planted', rpm: 30 },
  model_info: { id: 'added-1', class: 'gpu', mode: 'chat' },
}

describe('models at run time', () => {
  it('are added in every ingress, kept, changed and deleted, and their secrets are shown nowhere', async () => {
    const [one, two] = [await startIngress(), await startIngress()]
    const made = await post(`${one.url}/model/new`, added)
    expect(made).toMatchObject({
      status: 200,
      body: {
        model_id: 'added-1',
        model_name: 'added',
        litellm_params: { model: 'openai/new', api_key: '***', rpm: 30 },
        model_info: { id: 'added-1', db_model: true, class: 'gpu' },
        created_by: 'master',
      },
    })
    expect(one.models()).toEqual(['chat', 'spare', 'added'])
    await until(() => two.models().includes('added'))
    expect(two.live.current().deployments.at(-1)).toMatchObject({ id: 'added-1', apiKey: 'sk-planted', class: 'gpu' })

    const patch = {
      model_info: { id: 'added-1' },
      litellm_params: { rpm: 90, api_key: '***', api_base: 'http://127.0.0.1:8/v1' },
    }
    expect(await post(`${two.url}/model/update`, patch)).toMatchObject({
      status: 200,
      body: { litellm_params: { rpm: 90 } },
    })
    await until(() => one.live.current().deployments.at(-1)?.limits.rpm === 90)
    expect(one.live.current().deployments.at(-1)).toMatchObject({
      apiKey: 'sk-planted',
      baseUrl: 'http://127.0.0.1:8/v1',
    })
    const renamed = await post(
      `${one.url}/model/added-1/update`,
      { model_name: 'renamed', litellm_params: { rpm: null } },
      'PATCH',
    )
    expect(renamed).toMatchObject({ status: 200, body: { model_name: 'renamed' } })
    expect(one.live.current().deployments.at(-1)?.limits).toEqual({})

    const third = await startIngress()
    expect(third.models()).toContain('renamed')
    expect(await post(`${two.url}/model/delete`, { id: 'added-1' })).toEqual({
      status: 200,
      body: { message: 'Model: added-1 deleted successfully' },
    })
    await until(() => !one.models().includes('renamed') && !third.models().includes('renamed'))
    expect((await database.store.listModels()).models).toEqual([])

    const said = JSON.stringify([made, lines, await (await redis.connect()).get(redis.keys.modelOverlay())])
    expect(said).not.toContain('planted')
  })

  it('join a model of the file as one more deployment, and take their keys from the environment', async () => {
    const { url, live } = await startIngress()
    const json = { model_name: 'chat', litellm_params: { ...added.litellm_params, api_key: 'os.environ/FROM_ENV' } }
    const { body } = await post(`${url}/model/new`, json)
    expect(body).toMatchObject({
      model_id: expect.stringMatching(/^model_/),
      litellm_params: { api_key: 'os.environ/FROM_ENV' },
    })
    const chat = live.current().models.find(({ name }) => name === 'chat')
    expect(chat?.deployments.map(({ source, apiKey }) => [source, apiKey])).toEqual([
      ['file', 'sk-in-file'],
      ['database', 'sk-in-env'],
    ])
  })

  it.each([
    [
      'a parameter of the wrong type',
      { ...added, litellm_params: { ...added.litellm_params, timeout: 'soon' } },
      'timeout',
    ],
    [
      'a provider that there is not',
      { ...added, litellm_params: { model: 'opena/gpt', api_key: 'sk-planted' } },
      'opena',
    ],
    [
      'a variable that is not set',
      { ...added, litellm_params: { ...added.litellm_params, api_key: 'os.environ/NOPE' } },
      'NOPE',
    ],
    [
      'a file of the server',
      { ...added, litellm_params: { ...added.litellm_params, api_key: 'file:/etc/passwd' } },
      'api_key',
    ],
    ['a misspelt parameter', { ...added, litellm_params: { ...added.litellm_params, api_bse: 'x' } }, 'api_base'],
  ])('are refused with %s, and nothing of them is kept', async (_, json, named) => {
    const { url, models } = await startIngress()
    const { status, body } = await post(`${url}/model/new`, json)
    expect(status).toBe(400)
    expect(body).toMatchObject({ error: { code: 'config_invalid', message: expect.stringContaining(named) } })
    expect((body as { error: { param: string } }).error.param).toMatch(/^litellm_params/)
    expect(JSON.stringify(body)).not.toContain('sk-planted')
    expect(models()).toEqual(['chat', 'spare'])
    expect((await database.store.listModels()).models).toEqual([])
  })

  it.each([
    ['no name', { litellm_params: {} }, 'model_name'],
    ['no parameters', { model_name: 'x' }, 'litellm_params'],
    ['an id with spaces', { ...added, model_info: { id: 'a b' } }, 'model_info.id'],
  ])('are refused with %s by the shape of the request', async (_, json, param) => {
    const { url } = await startIngress()
    expect(await post(`${url}/model/new`, json)).toMatchObject({ status: 400, body: { error: { param } } })
  })

  it('are not added over another, and those of the file are not touched', async () => {
    const { url, live } = await startIngress()
    expect((await post(`${url}/model/new`, added)).status).toBe(200)
    expect(await post(`${url}/model/new`, added)).toMatchObject({
      status: 400,
      body: { error: { param: 'model_info.id' } },
    })
    const id = live.current().deployments[0]?.id
    expect(await post(`${url}/model/new`, { ...added, model_info: { id } })).toMatchObject({ status: 400 })
    for (const [path, json] of [
      ['/model/delete', { id }],
      ['/model/update', { model_info: { id } }],
    ] as const) {
      expect(await post(`${url}${path}`, json)).toMatchObject({
        status: 400,
        body: { error: { code: 'config_invalid', message: expect.stringContaining('configuration file') } },
      })
    }
    expect(await post(`${url}/model/delete`, { id: 'nobody' })).toMatchObject({ status: 404 })
  })

  it('are not deleted while a fallback of the file leads to them', async () => {
    const { url, models } = await startIngress()
    expect((await post(`${url}/model/new`, added)).status).toBe(200)
    file.text = fileYaml.replace('[spare]', '[added]')
    expect((await post(`${url}/config/reload`, {})).status).toBe(200)
    const refused = await post(`${url}/model/delete`, { id: 'added-1' })
    expect(refused).toMatchObject({ status: 400, body: { error: { message: expect.stringContaining('added') } } })
    expect(models()).toContain('added')
  })

  it('come back to Redis when it has lost them, at the next start of an ingress at the latest', async () => {
    const one = await startIngress()
    await post(`${one.url}/model/new`, added)
    const { version } = await database.store.listModels()
    const connection = await redis.connect()
    const overlay = createModelOverlay({ redis: connection, keys: redis.keys })
    await connection.del(redis.keys.modelOverlay())
    await startIngress()
    expect(await until(() => overlay.version())).toBe(version)
    // Of another database, whatever its number: Postgres is right.
    await overlay.replace(version, { version: version + 1_000, models: [] })
    await startIngress()
    await until(async () => (await overlay.version()) === version)
  })

  it('changed by many ingresses at once are all there in the end, everywhere', async () => {
    const ingresses = [await startIngress(), await startIngress()]
    const names = Array.from({ length: 12 }, (_, index) => `m${index}`)
    const statuses = await Promise.all(
      names.map(async (name, index) => {
        const json = { ...added, model_name: name, model_info: { id: name } }
        return (await post(`${ingresses[index % 2]?.url}/model/new`, json)).status
      }),
    )
    expect(new Set(statuses)).toEqual(new Set([200]))
    for (const ingress of ingresses) {
      await until(() => names.every((name) => ingress.models().includes(name)), { what: 'all models everywhere' })
    }
  })

  it('are not taken while the database is away', async () => {
    const store = createStore({ url: 'postgres://nobody@127.0.0.1:1/none', log, statementTimeoutMs: 300 })
    const { url } = await startIngress(store)
    expect(await post(`${url}/model/new`, added)).toMatchObject({
      status: 503,
      body: { error: { code: 'service_unavailable' } },
    })
    await store.close()
  })
})

describe('what is known of models', () => {
  it('is told by deployment, with LiteLLM’s names, without secrets', async () => {
    const { url } = await startIngress()
    await post(`${url}/model/new`, added)
    const { data } = await get(`${url}/model/info`)
    expect(data).toMatchObject([
      {
        model_name: 'chat',
        litellm_params: { model: 'openai/up', api_key: '***', rpm: 60 },
        model_info: {
          db_model: false,
          input_cost_per_token: 0.0000025,
          output_cost_per_token: 0.00001,
          max_input_tokens: 8192,
        },
      },
      { model_name: 'spare' },
      { model_name: 'added', model_info: { id: 'added-1', db_model: true, mode: 'chat', class: 'gpu' } },
    ])
    expect(JSON.stringify(data)).not.toMatch(/planted|sk-in-file|:pw@/)
    const { data: one } = await get(`${url}/v1/model/info?litellm_model_id=added-1`)
    expect(one).toEqual([data[2]])
    expect((await call(`${url}/model/info?litellm_model_id=none`, { key })).status).toBe(404)
  })

  it('is told by model over its deployments', async () => {
    const { url } = await startIngress()
    await post(`${url}/model/new`, { ...added, model_name: 'chat' })
    const { data } = await get(`${url}/model_group/info?model_group=chat`)
    expect(data).toMatchObject([
      {
        model_group: 'chat',
        providers: ['openai'],
        rpm: 90,
        tpm: null,
        input_cost_per_token: 0.0000025,
        max_input_tokens: 8192,
      },
    ])
    expect((await get(`${url}/model_group/info`)).data).toHaveLength(2)
  })

  it('names added models that cannot serve, and why', async () => {
    const sealedParams = createSealer('another secret').seal('foreign', {})
    await database.store.insertModel({
      id: 'foreign',
      modelName: 'foreign',
      sealedParams,
      modelInfo: {},
      createdBy: 'x',
    })
    const { url, live } = await startIngress()
    await until(() => live.current().overlayFaults.length > 0)
    expect((await get(`${url}/model/info`)).left_out.join()).toMatch(/foreign.*another key/)
    // What cannot be opened can be written anew, and deleted.
    const whole = { model_info: { id: 'foreign' }, litellm_params: added.litellm_params }
    expect((await post(`${url}/model/update`, whole)).status).toBe(200)
    expect((await get(`${url}/model/info`)).left_out).toEqual([])
  })
})

describe('a reload', () => {
  it('takes the file as it is now, in every process', async () => {
    const [one, two] = [await startIngress(), await startIngress()]
    expect(await post(`${one.url}/config/reload`, {})).toMatchObject({ status: 200, body: { changed: false } })
    file.text = fileYaml.replaceAll('spare', 'other')
    const { fingerprint } = one.live.current()
    const { body } = await post(`${one.url}/config/reload`, {})
    expect(body).toMatchObject({ changed: true, fingerprint: expect.not.stringContaining(fingerprint) })
    await until(() => two.models().includes('other'))
    expect(two.live.current().fingerprint).toBe(one.live.current().fingerprint)
  })

  it('is refused with every fault, and serves on as before', async () => {
    const { url, models } = await startIngress()
    file.text =
      'model_list:\n  - {model_nme: a, litellm_params: {model: openai/a}}\nrouter_settings: {num_retries: many}\n'
    const { status, body } = await post(`${url}/config/reload`, {})
    expect(status).toBe(400)
    const { faults, error } = body as { faults: string[]; error: { code: string; message: string } }
    expect(error).toMatchObject({ code: 'config_invalid', message: expect.stringContaining('test.yaml:2') })
    expect(faults.join('\n')).toMatch(/test\.yaml:2.*model_nme[\s\S]*test\.yaml:3.*num_retries/)
    expect(models()).toEqual(['chat', 'spare'])
  })
})

it('is for operators alone', async () => {
  const { url } = await startIngress()
  for (const path of ['/model/new', '/model/update', '/model/delete', '/config/reload']) {
    expect((await call(`${url}${path}`, { json: {}, key: 'sk-wrong' })).status).toBe(401)
  }
  expect((await call(`${url}/model/info`, { key: null })).status).toBe(401)
})
