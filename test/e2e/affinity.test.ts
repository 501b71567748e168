import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

const config = `
model_list:
  - model_name: chat
    litellm_params: {model: hosted_vllm/chat, api_base: "http://127.0.0.1:2/v1"}
classes: {chat: {concurrency: 4}}
workers: {drain_s: 3, affinity_ms: 2000}
`

interface TestWorker {
  readonly id: string
  readonly backend: Simulator
  readonly process: ServiceProcess
}

let stack: Stack
let url = ''
const workers: TestWorker[] = []
/** What workers say to each other: who is there, which prompts they have served, which jobs they have taken. */
const heard = { workers: new Set<string>(), served: 0, taken: 0 }

beforeAll(async () => {
  stack = await startStack(config)
  const [ingress] = await Promise.all([stack.startIngress(), stack.startController()])
  url = ingress.url
  const ids = ['gpu-a', 'gpu-b', 'gpu-c']
  const subscriber = await stack.redis.connect('subscriber')
  subscriber.on('message', (_, text) => {
    const message = JSON.parse(text) as { worker?: string; served?: readonly string[]; kind?: string }
    if (message.worker !== undefined) heard.workers.add(message.worker)
    heard.served += message.served?.length ?? 0
    if (message.kind === 'taken') heard.taken++
  })
  for (const id of ids) {
    const backend = createSimulator({ models: { chat: { prefixCache: true, tokens: 40 } } })
    await backend.start()
    const process = await stack.startWorker(['--classes', 'chat', '--backend', backend.url, '--id', id])
    workers.push({ id, backend, process })
  }
  const { keys } = stack.redis
  await subscriber.subscribe(keys.affinity('chat'), ...ids.map((id) => keys.handovers(id)))
  await until(() => heard.workers.size === ids.length, { timeoutMs: 30_000 })
})
afterAll(async () => {
  await stack.close()
  await Promise.all(workers.map(({ backend }) => backend.stop()))
})

interface Answer {
  readonly choices: readonly { readonly message: object }[]
  readonly usage: { readonly prompt_tokens_details?: { readonly cached_tokens: number } }
}

async function chat(messages: readonly object[]): Promise<Answer> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'chat', messages }),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Answer
}

const running = ({ backend }: TestWorker): number => backend.stats().total.running
const calls = ({ backend }: TestWorker): number => backend.stats().total.calls

it('turns of a conversation go to its worker; when that is killed under them, they run elsewhere, each answered once', async () => {
  const first = [{ role: 'user', content: 'Tell me of queues. '.repeat(100) }]
  const answer = await chat(first)
  const home = workers.find((worker) => calls(worker) === 1)
  if (home === undefined) throw new Error('nobody has served it')
  await until(() => heard.served === 1)

  for (const { backend } of workers) backend.script('chat', { ttftMs: 3_600_000 })
  const before = [...first, answer.choices[0]?.message ?? {}]
  const questions = [1, 2, 3, 4].map((number) => `Question ${number}. `.repeat(20))
  const turns = questions.map((content) => chat([...before, { role: 'user', content }]))
  await until(() => workers.reduce((sum, worker) => sum + running(worker), 0) === questions.length)
  expect({ atHome: running(home), handedOver: heard.taken > 0 }).toEqual({ atHome: 4, handedOver: true })

  for (const { backend } of workers) backend.script('chat', { ttftMs: 0 })
  home.process.kill('SIGKILL')
  const answers = await Promise.all(turns)
  expect(answers.map(({ choices }) => choices.length)).toEqual([1, 1, 1, 1])
  const others = workers.filter((worker) => worker !== home)
  expect(others.reduce((sum, worker) => sum + calls(worker), 0)).toBe(questions.length)

  // The conversation lives on at whoever has served its last turn.
  const last = [...before, { role: 'user', content: questions[0] ?? '' }, answers[0]?.choices[0]?.message ?? {}]
  const next = await chat([...last, { role: 'user', content: 'And stacks?' }])
  expect(next.usage.prompt_tokens_details?.cached_tokens).toBeGreaterThan(0)
})
