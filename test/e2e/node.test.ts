import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Stack, startStack } from '../support/stack.ts'
import { processesWith, type RunningCommand, runCommand, runToEnd } from './command.ts'

const nobody = 'http://127.0.0.1:2'
const simulator = join(import.meta.dirname, '../../packages/simulator/src/main.ts')
const config = `
model_list:
  - model_name: chat
    litellm_params: {model: hosted_vllm/chat, api_base: "${nobody}/v1"}
  - model_name: llama
    litellm_params: {model: ollama/llama, api_base: "${nobody}"}
  - model_name: far
    litellm_params: {model: groq/far, api_key: not-a-key}
classes: {chat: {concurrency: 2}}
workers: {drain_s: 20}
`

let folder = ''
let stack: Stack
let url = ''
let variables: Record<string, string> = {}
const mark = `NODE_TEST_MARK_${process.pid}`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inferq-node-'))
  stack = await startStack(config)
  const [ingress] = await Promise.all([stack.startIngress(), stack.startController()])
  url = ingress.url
  writeFileSync(join(folder, 'inferq.yaml'), config)
  writeFileSync(
    join(folder, 'simulator.json'),
    JSON.stringify({ models: { chat: { ttftMs: 400, tokens: 3 }, llama: { ttftMs: 50, tokens: 3 } } }),
  )
  writeExecutable('gpus/nvidia-smi', "echo '0, GPU-aaaa, NVIDIA Fake, 81559'; echo '1, GPU-bbbb, NVIDIA Fake, 81559'")
  variables = {
    PATH: `${join(folder, 'gpus')}:${process.env['PATH']}`,
    REDIS_URL: stack.redis.url,
    INFERQ_NAMESPACE: stack.redis.keys.namespace,
    INFERQ_CONFIG: join(folder, 'inferq.yaml'),
    INFERQ_MASTER_KEY: stack.masterKey,
    INFERQ_DATA_DIR: folder,
    [mark]: 'yes',
  }
})
afterAll(async () => {
  for (const pid of processesWith(mark)) process.kill(pid, 'SIGKILL')
  await stack.close()
  rmSync(folder, { recursive: true, force: true })
})

function writeExecutable(path: string, script: string): void {
  const file = join(folder, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, `#!/bin/sh\n${script}\n`)
  chmodSync(file, 0o755)
}

function backendCommand(): string {
  return `${process.execPath} --disable-warning=ExperimentalWarning ${simulator} --port {port} --config ${folder}/simulator.json`
}

type Fact = Readonly<Record<string, unknown>>

/** What the workers of a node have logged under this event, in order. */
function logged(node: RunningCommand, event: string): readonly Fact[] {
  const lines = [...node.stdout().split('\n'), ...node.stderr().split('\n')].filter((line) => line.startsWith('{'))
  return lines.flatMap((line) => {
    try {
      const fact = JSON.parse(line) as Fact
      return fact['event'] === event ? [fact] : []
    } catch {
      return []
    }
  })
}

async function untilLogged(node: RunningCommand, event: string, count = 1): Promise<readonly Fact[]> {
  await until(() => logged(node, event).length >= count || node.child.exitCode !== null, {
    timeoutMs: 40_000,
    everyMs: 20,
    what: `${count} × ${event}`,
  })
  const facts = logged(node, event)
  if (facts.length < count) throw new Error(`the node ended:\n${node.stdout()}\n${node.stderr().slice(-4000)}`)
  return facts
}

/** The status of an answer; a body that does not end well counts as none. */
async function chat(model = 'chat', sim: object = {}): Promise<number> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: `Hello ${Math.random()}` }], sim }),
  })
  const body = (await response.json()) as { choices?: unknown }
  return body.choices === undefined && response.status === 200 ? 0 : response.status
}

const chats = (count: number, sim: object = {}): Promise<number[]> =>
  Promise.all(Array.from({ length: count }, () => chat('chat', sim)))
/** Long enough to be seen running on a busy machine. */
const slow = { ttftMs: 3_000 }
const all200 = (count: number): number[] => Array.from({ length: count }, () => 200)

/** Calls that a backend has seen, and those it works on. */
async function seen(backend: string): Promise<{ readonly calls: number; readonly inFlight: number }> {
  try {
    const response = await fetch(`${backend}/__sim/stats`)
    const { models } = (await response.json()) as { models: Record<string, Record<string, number>> }
    const { calls = 0, completed = 0, aborted = 0, failed = 0, rejected = 0 } = models['chat'] ?? {}
    return { calls, inFlight: calls - completed - aborted - failed - rejected }
  } catch {
    return { calls: 0, inFlight: 0 }
  }
}

function environmentOf(pid: unknown): Record<string, string> {
  const text = readFileSync(`/proc/${pid}/environ`, 'utf8')
  return Object.fromEntries(text.split('\0').map((pair) => pair.split(/=(.*)/s).slice(0, 2) as [string, string]))
}

const untilNothingIsLeft = (): Promise<boolean> =>
  until(() => processesWith(mark).length === 0, { timeoutMs: 30_000, everyMs: 50, what: 'no process is left' })

describe('a node with two GPUs', () => {
  let node: RunningCommand
  const backends = (): string[] => [...new Set(logged(node, 'backend-ready').map((fact) => String(fact['url'])))]

  it('runs a pinned worker with its own backend for each, and jobs run on both', async () => {
    node = runCommand(['node', 'up', '--classes', 'chat', '--backend-command', backendCommand()], variables)
    const started = await untilLogged(node, 'worker-started', 2)
    expect(started.map((fact) => fact['gpu']).sort()).toEqual(['0 NVIDIA Fake', '1 NVIDIA Fake'])

    const environments = (await untilLogged(node, 'backend-started', 2)).map((fact) => environmentOf(fact['pid']))
    expect(environments.map((one) => one['CUDA_VISIBLE_DEVICES']).sort()).toEqual(['0', '1'])
    expect(environments.map((one) => one['CUDA_DEVICE_ORDER'])).toEqual(['PCI_BUS_ID', 'PCI_BUS_ID'])
    expect(environments.map((one) => one['REDIS_URL'] ?? one['INFERQ_MASTER_KEY'])).toEqual([undefined, undefined])

    expect(await chats(8)).toEqual(all200(8))
    for (const backend of backends()) expect((await seen(backend)).calls).toBeGreaterThan(0)
    await until(() => (node.stdout().match(/GPU \d +serving/g) ?? []).length === 2)
  })

  it('goes on at the other GPU while a backend that was killed is started again, and then on both', async () => {
    const [first] = logged(node, 'backend-started')
    const answers = chats(6, slow)
    await until(async () => (await Promise.all(backends().map(seen))).every(({ inFlight }) => inFlight > 0))
    process.kill(Number(first?.['pid']), 'SIGKILL')
    expect(await answers).toEqual(all200(6))
    await untilLogged(node, 'worker-held')
    expect(await chats(4)).toEqual(all200(4))

    await untilLogged(node, 'worker-started', 3)
    expect(logged(node, 'backend-started')).toHaveLength(3)
    expect(backends()).toHaveLength(2)
    expect(await chats(8)).toEqual(all200(8))
    for (const backend of backends()) expect((await seen(backend)).calls).toBeGreaterThan(0)
  })

  it('starts a worker that was killed again, with its backend, and leaves nothing of the old one', async () => {
    const before = logged(node, 'worker-started').length
    const [listed] = await listWorkers()
    process.kill(Number(listed?.['pid']), 'SIGKILL')
    await untilLogged(node, 'worker-started', before + 1)
    expect((await listWorkers()).map((worker) => String(worker['id']).replace(/.*-gpu/, 'gpu'))).toEqual([
      'gpu0',
      'gpu1',
    ])
    expect(await chats(4)).toEqual(all200(4))
    await until(() => processesWith(mark).filter(isSimulator).length === 2, { timeoutMs: 30_000 })
  })

  it('lets running jobs end at SIGTERM, stops the backends after that, and leaves no process', async () => {
    const answers = chats(4, slow)
    const ours = logged(node, 'backend-ready')
      .slice(-2)
      .map((fact) => String(fact['url']))
    await until(async () => {
      const inFlight = await Promise.all([...new Set([...backends(), ...ours])].map(seen))
      return inFlight.reduce((sum, one) => sum + one.inFlight, 0) === 4
    })
    node.child.kill('SIGTERM')
    expect(await answers).toEqual(all200(4))
    expect(await node.exited).toEqual({ code: 0, signal: null })
    expect(processesWith(mark)).toEqual([])
    expect(await listWorkers()).toEqual([])
  })

  async function listWorkers(): Promise<readonly Fact[]> {
    const redis = await stack.redis.connect()
    const ids = await redis.zrange(stack.redis.keys.workers(), '0', '-1')
    const texts = await Promise.all(ids.map((id) => redis.get(stack.redis.keys.worker(id))))
    const facts = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as Fact]))
    return facts.sort((a, b) => String(a['id']).localeCompare(String(b['id'])))
  }
})

function isSimulator(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(simulator) && !isShell(pid)
  } catch {
    return false
  }
}

/** The watcher of a child has its command line. */
function isShell(pid: number): boolean {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'sh'
}

describe('a machine without GPUs', () => {
  it('and without the file runs one worker, here at Ollama; a node that is killed leaves nothing behind', async () => {
    const args = ['node', 'up', '--gpus', 'none', '--classes', 'llama', '--backend-command', backendCommand()]
    const { INFERQ_CONFIG: _file, ...others } = variables
    const node = runCommand(args, others)
    expect(await untilLogged(node, 'worker-started')).toMatchObject([{ gpu: null, classes: ['llama'] }])
    expect(await chat('llama')).toBe(200)
    node.child.kill('SIGKILL')
    await untilNothingIsLeft()
  })
})

describe('what cannot work is refused at the start', () => {
  const worker = (...args: string[]): ReturnType<typeof runToEnd> => runToEnd(['worker', ...args], variables)

  it('a GPU that is not there, naming those that are', async () => {
    expect(await worker('--gpu', '7')).toMatchObject({
      code: 3,
      stderr:
        'inferq: there is no GPU 7 on this machine\n→ there are: 0 (NVIDIA Fake, 80 GiB), 1 (NVIDIA Fake, 80 GiB)\n',
    })
  })

  it('a backend that does not answer in time', async () => {
    const { code, stderr } = await worker('--classes', 'chat', '--backend', nobody, '--backend-timeout', '1')
    expect(code).toBe(5)
    expect(stderr).toMatch(/the backend at http:\/\/127\.0\.0\.1:2 does not work: it is not ready after 1 s/)
  })

  it('a backend that ends while it starts, with what it said', async () => {
    const { code, stderr } = await worker('--classes', 'chat', '--backend-command', 'no-such-program {port}')
    expect(code).toBe(5)
    expect(stderr).toMatch(/does not work: .*ended with 127.*no-such-program/)
  })

  it('a backend without a model of the classes, naming what it has', async () => {
    const { code, stderr } = await worker('--classes', 'chat', '--backend', stack.simulator.url)
    expect(code).toBe(3)
    expect(stderr).toMatch(/has no model of the classes to serve: chat needs chat\n→ it has: none/)
  })

  it('a class of a cloud at a backend of one’s own', async () => {
    const { code, stderr } = await worker('--classes', 'groq', '--backend', nobody)
    expect(code).toBe(3)
    expect(stderr).toMatch(/classes it can serve: chat, llama/)
  })

  it('a machine without the file, with another key than the ingress', async () => {
    const { INFERQ_CONFIG: _file, ...others } = variables
    const args = ['worker', '--classes', 'chat', '--backend', nobody]
    const { code, stdout, stderr } = await runToEnd(args, { ...others, INFERQ_MASTER_KEY: 'sk-another-key' })
    expect(code).toBe(3)
    expect(stderr).toMatch(/there is no model to serve.*\n→ .*INFERQ_SALT_KEY/)
    expect(stdout).toMatch(/the configuration in Redis is sealed with another key/)
  })

  it('an id that another worker has', async () => {
    const other = await stack.startWorker(['--id', 'gpu-node-1'])
    const { code, stderr } = await worker('--id', 'gpu-node-1')
    expect(code).toBe(3)
    expect(stderr).toMatch(`the worker id gpu-node-1 is in use by process ${other.pid}`)
    other.kill('SIGTERM')
    await other.exited
  })
})
