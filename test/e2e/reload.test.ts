import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

const entry = (name: string) =>
  `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: ${name}}}`
const configOf = (names: readonly string[], more = '') =>
  `model_list:\n${names.map(entry).join('\n')}\nworkers: {drain_s: 3}\n${more}`

let stack: Stack
let ingress: ServiceProcess
let other: ServiceProcess
let headers: Record<string, string>

beforeAll(async () => {
  stack = await startStack(configOf(['steady', 'short']))
  const started = await Promise.all([
    stack.startIngress(),
    stack.startIngress(),
    stack.startWorker(),
    stack.startController(),
  ])
  ;[ingress, other] = started
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
  for (const name of ['steady', 'short', 'added', 'third']) stack.simulator.script(name, { text: `from ${name}` })
})
afterAll(() => stack.close())

const post = (url: string, path: string, body: object = {}): Promise<Response> =>
  fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })

async function answerOf(url: string, model: string): Promise<string> {
  const response = await post(url, '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hi' }] })
  const body = (await response.json()) as { choices?: { message: { content: string } }[]; error?: { code: string } }
  return body.choices?.[0]?.message.content ?? `${response.status} ${body.error?.code}`
}

describe('a changed file', () => {
  it('is taken over by every process, without a failed request', async () => {
    const answers: string[] = []
    let busy = true
    const lane = async (url: string): Promise<void> => {
      while (busy) answers.push(await answerOf(url, 'steady'))
    }
    const lanes = [ingress.url, other.url, ingress.url, other.url].map(lane)
    await stack.writeConfig(configOf(['steady', 'added']))
    const reloaded = await post(ingress.url, '/config/reload')
    expect(reloaded.status).toBe(200)
    expect(await reloaded.json()).toMatchObject({ changed: true, fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) })
    for (const url of [ingress.url, other.url]) {
      await until(async () => (await answerOf(url, 'added')) === 'from added', { what: `${url} to serve it` })
      await until(async () => (await answerOf(url, 'short')) === '404 model_not_found')
    }
    for (let i = 0; i < 5; i++) await post(other.url, '/config/reload')
    await until(() => answers.length > 20)
    busy = false
    await Promise.all(lanes)
    expect([...new Set(answers)]).toEqual(['from steady'])
  })

  it('with a fault changes nothing, and every fault is named', async () => {
    await stack.writeConfig(configOf(['steady'], 'router_settings: {fallbacks: [{steady: [nobody]}], num_retires: 1}'))
    const response = await post(ingress.url, '/config/reload')
    expect(response.status).toBe(400)
    const text = await response.text()
    expect(text).toContain('nobody')
    expect(text).toContain('num_retries')
    expect(await answerOf(ingress.url, 'added')).toBe('from added')
    expect(await answerOf(other.url, 'added')).toBe('from added')
  })

  it('is taken over at SIGHUP as well', async () => {
    await stack.writeConfig(configOf(['steady', 'added', 'third']))
    ingress.kill('SIGHUP')
    for (const url of [ingress.url, other.url]) {
      await until(async () => (await answerOf(url, 'third')) === 'from third', { what: `${url} to serve it` })
    }
  })
})

describe('a model added at run time', () => {
  it('is served by ingresses and workers, is listed without its key, changes, and goes', async () => {
    stack.simulator.script('upstream-1', { text: 'one' })
    stack.simulator.script('upstream-2', { text: 'two' })
    const created = await post(ingress.url, '/model/new', {
      model_name: 'guest',
      litellm_params: { model: 'openai/upstream-1', api_base: `${stack.simulator.url}/v1`, api_key: 'sk-very-secret' },
      model_info: { class: 'steady', input_cost_per_token: 0.000001 },
    })
    expect(created.status).toBe(200)
    const { model_info: info } = (await created.json()) as { model_info: { id: string } }
    for (const url of [other.url, ingress.url]) {
      await until(async () => (await answerOf(url, 'guest')) === 'one', { what: `${url} to serve it` })
    }
    const listed = await (await fetch(`${other.url}/model/info`, { headers })).text()
    expect(listed).toContain('guest')
    expect(listed).not.toContain('very-secret')

    const updated = await post(other.url, '/model/update', {
      litellm_params: { model: 'openai/upstream-2' },
      model_info: { id: info.id },
    })
    expect(updated.status).toBe(200)
    await until(async () => (await answerOf(ingress.url, 'guest')) === 'two')

    expect((await post(ingress.url, '/model/delete', { id: info.id })).status).toBe(200)
    await until(async () => (await answerOf(other.url, 'guest')) === '404 model_not_found')
  })

  it('that could not serve is refused, naming the field', async () => {
    const response = await post(ingress.url, '/model/new', {
      model_name: 'broken',
      litellm_params: { model: 'openai/x', api_base: 'not a url', temprature: 1 },
    })
    expect(response.status).toBe(400)
    const { error } = (await response.json()) as { error: { code: string; message: string } }
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain('api_base')
    expect(error.message).toContain('temprature')
  })
})
