import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { processesNamed, processesWith, type RunningCommand, runCommand, runToEnd, untilReady } from './command.ts'

let workDir = ''
let mark = ''
const started: RunningCommand[] = []
beforeAll(() => {
  workDir = mkdtempSync(join(tmpdir(), 'inferq-start-'))
  mark = `INFERQ_TEST_MARK=${workDir}`
})
afterAll(() => rmSync(workDir, { recursive: true }))

/** Whatever a test has left running. */
async function endAll(): Promise<void> {
  for (const command of started.splice(0)) {
    command.child.kill('SIGKILL')
    await command.exited
  }
  await allGone()
}

/** One data directory for all: the first start fills it, the others are restarts. */
function up(...args: string[]): RunningCommand {
  const variables = { INFERQ_DATA_DIR: join(workDir, 'data'), INFERQ_TEST_MARK: workDir }
  const command = runCommand(['up', '--port', '0', ...args], variables)
  started.push(command)
  return command
}

async function allGone(timeoutMs = 15_000): Promise<void> {
  await until(() => processesWith(mark).length === 0, { timeoutMs, everyMs: 50, what: 'no process is left' })
}

async function post(server: { baseUrl: string; key: string }, path: string, body: unknown): Promise<Response> {
  return fetch(`${server.baseUrl}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
}

async function getJob(
  server: { baseUrl: string; key: string },
  id: string,
): Promise<{ status?: string; result?: unknown }> {
  const response = await fetch(`${server.baseUrl}/v1/jobs/${id}`, {
    headers: { authorization: `Bearer ${server.key}` },
  })
  return (await response.json()) as { status?: string; result?: unknown }
}

const chat = { model: 'simulated', messages: [{ role: 'user', content: 'Hello' }] }
const slowJob = { type: 'completion', request: { ...chat, max_tokens: 200 } }

describe('inferq up', () => {
  afterAll(endAll)

  it('starts everything from nothing, answers with the printed key, and is stopped by Ctrl-C within seconds', async () => {
    const command = up()
    const server = await untilReady(command)
    expect(command.stdout()).toMatch(/Backend {5}OLLAMA_BASE_URL is set, but http:\/\/127\.0\.0\.1:2 is not used/)
    expect(command.stdout()).toMatch(/Backend {3}none found: the built-in simulated model/)

    const answer = await post(server, '/v1/chat/completions', chat)
    expect(answer.status).toBe(200)
    expect(JSON.stringify(await answer.json())).toContain('[simulated')
    const stream = await post(server, '/v1/chat/completions', { ...chat, stream: true })
    expect(await stream.text()).toMatch(/data: \[DONE\]\s*$/)
    expect((await fetch(`${server.baseUrl}/docs`)).status).toBe(200)
    expect((await post({ ...server, key: 'sk-wrong' }, '/v1/chat/completions', chat)).status).toBe(401)

    expect(statSync(join(workDir, 'data', 'key')).mode & 0o777).toBe(0o600)
    for (const line of command.stderr().trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('event')
    expect(command.stderr()).not.toContain(server.key)

    const stoppedAt = performance.now()
    command.child.kill('SIGINT')
    expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - stoppedAt).toBeLessThan(20_000)
    expect(processesWith(mark)).toEqual([])
  })
})

describe('inferq up, killed with jobs at work and started again', () => {
  let running: RunningCommand
  let server: { baseUrl: string; key: string }
  let before: { key: string; done: string; open: string }
  beforeAll(async () => {
    const first = up()
    const { key, baseUrl } = await untilReady(first)
    const submit = async (): Promise<string> => {
      const response = await post({ baseUrl, key }, '/v1/jobs', slowJob)
      expect(response.status).toBe(202)
      return String(((await response.json()) as { id: unknown }).id)
    }
    const untilStatus = (id: string, status: string): Promise<unknown> =>
      until(async () => (await getJob({ baseUrl, key }, id)).status === status, { everyMs: 20 })
    const done = await submit()
    await untilStatus(done, 'completed')
    const open = await submit()
    await untilStatus(open, 'in_progress')
    before = { key, done, open }
    first.child.kill('SIGKILL')
    await first.exited
    await allGone()
    running = up()
    server = await untilReady(running)
  })
  afterAll(endAll)

  it('has left no process behind, and keeps the key', () => {
    expect(processesNamed(mark, 'up')).toEqual([running.child.pid])
    expect(server.key).toBe(before.key)
  })

  it('keeps the finished job, and finishes the other', async () => {
    expect(await getJob(server, before.done)).toMatchObject({ status: 'completed', result: expect.anything() })
    await until(async () => (await getJob(server, before.open)).status === 'completed', {
      timeoutMs: 30_000,
      everyMs: 50,
    })
    expect(await getJob(server, before.open)).toMatchObject({ result: expect.anything() })
  })

  it('starts a worker that was killed again, and goes on answering', async () => {
    const [worker] = processesNamed(mark, 'worker')
    if (worker === undefined) throw new Error('there is no worker')
    process.kill(worker, 'SIGKILL')
    await until(() => running.stdout().includes('Worker 1    is back'), { everyMs: 20 })
    expect(running.stdout()).toContain('Worker 1    died; starting it again')
    expect((await post(server, '/v1/chat/completions', chat)).status).toBe(200)
  })

  it('tells a second inferq who has the data directory', async () => {
    const second = up()
    expect((await second.exited).code).toBe(1)
    expect(second.stdout()).toMatch(/failed: .*data.* is in use by process \d+/)
    expect(second.stdout()).toContain('INFERQ_DATA_DIR')
  })

  it('ends at once on a second Ctrl-C, whatever still runs, and leaves nothing behind', async () => {
    const response = await post(server, '/v1/chat/completions', { ...chat, stream: true, max_tokens: 100_000 })
    running.child.kill('SIGINT')
    await until(() => running.stdout().includes('stopping'), { everyMs: 1 })
    running.child.kill('SIGINT')
    expect((await running.exited).code).toBe(130)
    await response.text().catch(() => '')
    await allGone()
  })
})

describe('inferq, asked for what cannot be', () => {
  it('names the port that is in use, and the option that chooses another', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const { code, stderr } = await runToEnd(['up', '--port', String(port)], { INFERQ_DATA_DIR: workDir })
    taken.close()
    expect(code).toBe(1)
    expect(stderr).toMatch(new RegExp(`port ${port} is in use on 127\\.0\\.0\\.1\\n.*--port ${port + 1}`))
  })

  it('refuses a public address without a master key', async () => {
    const { code, stderr } = await runToEnd(['up', '--host', '0.0.0.0'], { INFERQ_DATA_DIR: workDir })
    expect(code).toBe(3)
    expect(stderr).toMatch(/others can reach 0\.0\.0\.0, and there is no master key\n.*INFERQ_MASTER_KEY/)
  })

  it('names every fault of a configuration, and starts nothing', async () => {
    const file = join(workDir, 'bad.yaml')
    writeFileSync(file, 'model_lst: []\nworkers: {lock_s: 0}\n')
    const { code, stderr } = await runToEnd(['up', '--config', file], { INFERQ_DATA_DIR: workDir })
    expect(code).toBe(3)
    expect(stderr).toContain('the configuration has 2 faults')
    expect(stderr).toMatch(/bad\.yaml:1: model_lst: found an unknown key.*did you mean "model_list"\?/)
    expect(stderr).toMatch(/bad\.yaml:2: workers\.lock_s: found 0; expected a number of at least 1/)
  })

  it('ends with 3 when a file or a server it needs is not named', async () => {
    expect(await runToEnd(['up', '--config', join(workDir, 'none.yaml')])).toMatchObject({ code: 3 })
    expect(await runToEnd(['worker'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('REDIS_URL is not set'),
    })
    expect(await runToEnd(['migrate'])).toMatchObject({ code: 3, stderr: expect.stringContaining('DATABASE_URL') })
    expect(await runToEnd(['controller'], { REDIS_URL: 'redis://127.0.0.1:2' })).toMatchObject({ code: 3 })
  })

  it('ends with 5 when a server cannot be reached', async () => {
    const database = `postgres://u:hidden@127.0.0.1:${await freePort()}/d`
    const { code, stderr } = await runToEnd(['migrate'], { DATABASE_URL: database })
    expect(code).toBe(5)
    expect(stderr).not.toContain('hidden')
  })

  it('ends with 64 on a wrong use, with the command meant', async () => {
    const { code, stderr } = await runToEnd(['upp'])
    expect(code).toBe(64)
    expect(stderr).toContain('up')
    expect(await runToEnd(['up', '--port', 'http'])).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('expected a whole number from 0 to 65535'),
    })
  })

  it('explains every command with an example', async () => {
    const { code, stdout } = await runToEnd(['--help'])
    expect(code).toBe(0)
    expect(stdout).not.toContain('simulator')
    for (const command of ['up', 'ingress', 'worker', 'controller', 'migrate']) {
      expect(stdout).toContain(`  ${command}`)
      const help = await runToEnd([command, '--help'])
      expect(help).toMatchObject({ code: 0, stdout: expect.stringMatching(/Examples?:\n {2}\$ .*inferq/) })
    }
  })
})
