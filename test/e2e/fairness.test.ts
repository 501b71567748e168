import type { LedgerCall, LedgerPage } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

/** A model with a class of its own for each test, which starts the worker of it. */
const models = ['busy', 'weighed', 'tiered']
const config = `
model_list:
${models
  .map(
    (name) =>
      `  - {model_name: ${name}, litellm_params: {model: openai/${name}, api_base: "\${SIMULATOR}/v1", api_key: sk-test}, model_info: {class: ${name}}}`,
  )
  .join('\n')}
classes: {busy: {concurrency: 2}, weighed: {concurrency: 2}, tiered: {concurrency: 2}}
shares: {tenants: {heavy: 3}}
workers: {drain_s: 0}
breaker: {enabled: false}
`

let stack: Stack
let here: ServiceProcess
let there: ServiceProcess

beforeAll(async () => {
  stack = await startStack(config, { simulator: { ledger: true } })
  ;[here, there] = await Promise.all([stack.startIngress(), stack.startIngress(), stack.startController()])
}, 120_000)
afterAll(() => stack?.close())

/** Jobs of some 100 tokens by the estimate, and few in truth; the upstream hears the tenant as their user. */
async function submit(
  ingress: ServiceProcess,
  tenant: string,
  { model, count = 1, priority = 'default' }: { model: string; count?: number; priority?: string },
): Promise<void> {
  const request = { model, messages: [{ role: 'user', content: 'Hi' }], max_tokens: 95, user: tenant }
  const response = await fetch(`${ingress.url}/v1/jobs:batch`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${stack.masterKey}`,
      'content-type': 'application/json',
      'x-inferq-tenant': tenant,
    },
    body: JSON.stringify({ jobs: Array.from({ length: count }, () => ({ type: 'completion', priority, request })) }),
  })
  expect(response.status, await response.text()).toBe(202)
}

/** What the upstream was asked, in that order. */
async function callsOf(model: string): Promise<readonly LedgerCall[]> {
  const response = await fetch(`${stack.simulator.url}/__sim/ledger?after=0`)
  const { calls } = (await response.json()) as LedgerPage
  return calls.filter((call) => call.model === model)
}

const untilCalled = (model: string, count: number) =>
  until(
    async () => {
      const calls = await callsOf(model)
      return calls.length >= count ? calls : undefined
    },
    { what: `${count} calls of ${model}`, timeoutMs: 60_000, everyMs: 50 },
  )

describe('fair shares', () => {
  it("a tenant's thousand jobs delay another tenant's first by what runs, through whatever ingress it comes", async () => {
    stack.simulator.script('busy', { ttftMs: 30, interTokenMs: 1, tokens: 3 })
    await submit(here, 'a', { model: 'busy', count: 1_000 })
    const worker = await stack.startWorker(['--classes', 'busy'])
    try {
      await untilCalled('busy', 20)
      await submit(there, 'b', { model: 'busy' })
      // It is in its queue by now, at the latest.
      const before = await callsOf('busy')
      const calls = await until(
        async () => {
          const all = await callsOf('busy')
          return all.some(({ user }) => user === 'b') ? all : undefined
        },
        { what: 'a call for b', timeoutMs: 60_000, everyMs: 20 },
      )
      const place = calls.findIndex(({ user }) => user === 'b')
      expect(place - before.length).toBeLessThanOrEqual(8)
      // Else nothing would have been in its way.
      expect(place).toBeLessThan(900)
    } finally {
      worker.kill('SIGKILL')
      await worker.exited
    }
  }, 120_000)

  it('tenants share by their weights, whoever came first', async () => {
    stack.simulator.script('weighed', { ttftMs: 1, interTokenMs: 0, tokens: 3 })
    await submit(here, 'light', { model: 'weighed', count: 400 })
    await submit(there, 'heavy', { model: 'weighed', count: 400 })
    const worker = await stack.startWorker(['--classes', 'weighed'])
    try {
      const first = (await untilCalled('weighed', 400)).slice(0, 400)
      const heavy = first.filter(({ user }) => user === 'heavy').length
      // Three quarters, give or take 15 %.
      expect(heavy).toBeGreaterThanOrEqual(255)
      expect(heavy).toBeLessThanOrEqual(345)
    } finally {
      worker.kill('SIGKILL')
      await worker.exited
    }
  }, 120_000)

  it('flex delays nobody, and has its share all the same; priority goes first', async () => {
    stack.simulator.script('tiered', { ttftMs: 1, interTokenMs: 0, tokens: 3 })
    await submit(here, 'night', { model: 'tiered', count: 100, priority: 'flex' })
    await submit(there, 'day', { model: 'tiered', count: 400 })
    await submit(here, 'alarm', { model: 'tiered', priority: 'priority' })
    const worker = await stack.startWorker(['--classes', 'tiered'])
    try {
      const users = (await untilCalled('tiered', 501)).map(({ user }) => user)
      expect(users.indexOf('alarm')).toBeLessThanOrEqual(8)
      // By the lag of flex, 150 of these go before its first; and before the last of them 62 of flex do.
      expect(users.indexOf('night')).toBeGreaterThanOrEqual(120)
      const besideThem = users.slice(0, users.lastIndexOf('day')).filter((user) => user === 'night').length
      expect(besideThem).toBeGreaterThanOrEqual(40)
    } finally {
      worker.kill('SIGKILL')
      await worker.exited
    }
  }, 120_000)
})
