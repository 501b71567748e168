import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, type StackOptions, startStack } from '../support/stack.ts'

/**
 * Configuration files as people have them, unchanged: only the environment and the name service differ. What cannot be
 * redirected so (a database on localhost, say) is tested where the files are parsed, in packages/config.
 */
const read = (name: string): string =>
  readFileSync(new URL(`../../packages/config/test/fixtures/${name}`, import.meta.url), 'utf8')

let stack: Stack
let ingress: ServiceProcess

async function start(file: string, options: StackOptions): Promise<void> {
  stack = await startStack(read(file), options)
  ;[ingress] = await Promise.all([stack.startIngress(), stack.startWorker(), stack.startController()])
}

interface Answer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

async function chat(model: string, body: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${ingress.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], ...body }),
  })
  return { status: response.status, text: await response.text(), headers: response.headers }
}

/** Variables with the simulator's address in place of the vendors'. */
const redirected = (simulatorUrl: string) => ({
  OPENAI_API_KEY: 'sk-o',
  OPENAI_BASE_URL: `${simulatorUrl}/v1`,
  ANTHROPIC_API_KEY: 'sk-a',
  ANTHROPIC_API_BASE: simulatorUrl,
  TOGETHER_API_KEY: 'sk-t',
  TOGETHER_AI_API_BASE: `${simulatorUrl}/v1`,
  REDIS_PASSWORD: 'unused',
})

describe('team-gateway.yaml', () => {
  beforeAll(() =>
    start('team-gateway.yaml', {
      variables: redirected,
      hosts: ({ host }) => ({ 'vllm-server:8000': host }),
    }),
  )
  afterAll(() => stack.close())

  it('sends premium users to gpt-4, basic ones to gpt-3.5-turbo, summaries to claude', async () => {
    const served = async (metadata: object) => (await chat('llama-2-7b', { metadata })).headers.get('x-inferq-model')
    expect(await served({ user_tier: 'premium' })).toBe('gpt-4')
    expect(await served({ user_tier: 'basic' })).toBe('gpt-3.5-turbo')
    expect(await served({ task_type: 'summarization' })).toBe('claude-3-sonnet')
    expect(await served({})).toBe('llama-2-7b')
    expect((await chat('gpt-4', {}, { 'x-inferq-user-tier': 'basic' })).headers.get('x-inferq-model')).toBe(
      'gpt-3.5-turbo',
    )
  })

  it('falls back in the order of the repeated keys', async () => {
    stack.simulator.script('gpt-4', { fault: { status: 401 } })
    expect((await chat('gpt-4')).headers.get('x-inferq-model')).toBe('gpt-3.5-turbo')
    stack.simulator.script('gpt-3.5-turbo', { fault: { status: 401 } })
    expect((await chat('gpt-4')).headers.get('x-inferq-model')).toBe('claude-3-sonnet')
    expect((await chat('gpt-3.5-turbo')).headers.get('x-inferq-model')).toBe('claude-3-sonnet')
    stack.simulator.reset()
  })

  it('says at the start which keys nothing acts on', () => {
    expect(ingress.lines.find((line) => line.includes('config-accepted-not-used'))).toMatch(/cache.*rate_limits/)
  })
})

describe('chat-app.yaml', () => {
  beforeAll(() => start('chat-app.yaml', { variables: redirected, hosts: ({ host }) => ({ 'ollama:11434': host }) }))
  afterAll(() => stack.close())

  it('serves the primary with its defaults', async () => {
    stack.simulator.script('deepseek-chat', { text: 'from the primary' })
    expect((await chat('manus-primary')).text).toContain('from the primary')
  })

  it('falls back to the local model, and leaves the primary alone after the allowed failures', async () => {
    stack.simulator.script('deepseek-chat', { fault: { status: 500 } })
    stack.simulator.script('mistral:7b-instruct', { text: 'from home' })
    for (let i = 0; i < 4; i++) expect((await chat('manus-primary')).text).toContain('from home')
    expect(stack.simulator.stats().models['deepseek-chat']?.faults).toBe(3)
  })
})

describe('cluster.yaml', () => {
  beforeAll(() =>
    start('cluster.yaml', {
      files: { 'cluster-models.yaml': read('cluster-models.yaml') },
      variables: (url) => ({ ...redirected(url), LITELLM_MASTER_KEY: 'sk-test-master-key' }),
      hosts: ({ host }) => ({ 'ollama:11434': host }),
    }),
  )
  afterAll(() => stack.close())

  it('serves the models of the included file, each at its vendor', async () => {
    for (const [model, upstream] of [
      ['gpt-4o-mini', 'gpt-4o-mini'],
      ['claude-3-5-haiku', 'claude-3-5-haiku-20241022'],
      ['codellama', 'codellama'],
    ] as const) {
      stack.simulator.script(upstream, { text: `this is ${model}` })
      expect((await chat(model)).text).toContain(`this is ${model}`)
    }
    const { wires } = stack.simulator.stats()
    expect([wires.openai.completed, wires.anthropic.completed, wires.ollama.completed]).toEqual([1, 1, 1])
  })
})

describe('overview.yaml', () => {
  beforeAll(() => start('overview.yaml', { variables: redirected }))
  afterAll(() => stack.close())

  it('chooses by task and by feature', async () => {
    const served = async (metadata: object) =>
      (await chat('claude-3-sonnet', { metadata })).headers.get('x-inferq-model')
    expect(await served({ task_type: 'simple_qa' })).toBe('gpt-3.5-turbo')
    expect(await served({ task_type: 'complex_analysis' })).toBe('gpt-4')
    expect(await served({ feature: 'search_qa' })).toBe('gpt-3.5-turbo')
    expect(await served({ feature: 'document_analysis' })).toBe('gpt-4')
    expect(await served({})).toBe('claude-3-sonnet')
  })

  it('takes the keys in turn', async () => {
    const used: (string | null)[] = []
    for (let i = 0; i < 6; i++) used.push((await chat('gpt-4')).headers.get('x-inferq-deployment'))
    expect(new Set(used)).toEqual(new Set(['gpt-4/openai/gpt-4', 'gpt-4/openai/gpt-4#2', 'gpt-4/openai/gpt-4#3']))
    expect(new Set(used.slice(0, 3)).size).toBe(3)
  })

  it("falls back in the order of the model's own list, then of the section", async () => {
    stack.simulator.script('gpt-4', { fault: { status: 401 } })
    expect((await chat('gpt-4')).headers.get('x-inferq-model')).toBe('gpt-3.5-turbo')
    stack.simulator.script('gpt-3.5-turbo', { fault: { status: 401 } })
    expect((await chat('gpt-4')).headers.get('x-inferq-model')).toBe('claude-3-sonnet')
  })
})
