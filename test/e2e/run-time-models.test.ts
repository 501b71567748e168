import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

const config = `
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}
workers: {drain_s: 3}
`
let stack: Stack
let ingress: ServiceProcess
let worker: ServiceProcess
let headers: Record<string, string>

beforeAll(async () => {
  stack = await startStack(config)
  ;[ingress, worker] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
  headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
})
afterAll(() => stack.close())

const post = (path: string, json: object) =>
  fetch(`${ingress.url}${path}`, { method: 'POST', headers, body: JSON.stringify(json) })

async function ask(model: string): Promise<number> {
  const response = await post('/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Hi' }] })
  await response.text()
  return response.status
}

it('serves a model that was added while it runs, in a class of its own, and again after everything was restarted', async () => {
  const params = { model: 'vllm/added', api_base: `${stack.simulator.url}/v1`, api_key: 'sk-planted' }
  const response = await post('/model/new', { model_name: 'added', litellm_params: params })
  expect(response.status).toBe(200)
  expect(await ask('added')).toBe(200)

  // The file may name it from now on, also at a start, when it is not known yet.
  await stack.writeConfig(`${config}router_settings: {fallbacks: [{chat: [added]}]}\n`)
  for (const service of [ingress, worker]) service.kill('SIGTERM')
  await Promise.all([ingress.exited, worker.exited])
  ;[ingress, worker] = await Promise.all([stack.startIngress(), stack.startWorker()])
  expect(await ask('added')).toBe(200)

  // What no model has, added or not, is a fault all the same.
  await stack.writeConfig(`${config}router_settings: {fallbacks: [{chat: [nobody]}]}\n`)
  await expect(stack.startWorker()).rejects.toThrow(/nobody/)
  expect([...ingress.lines, ...worker.lines].join('\n')).not.toContain('sk-planted')
})
