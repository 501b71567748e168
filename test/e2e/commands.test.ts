import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createSilentLog,
  type EmbeddedPostgres,
  type EmbeddedRedis,
  startEmbeddedPostgres,
  startEmbeddedRedis,
} from '@inferq/runtime'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RunningCommand, runCommand, runToEnd } from './command.ts'

const masterKey = 'sk-test-master'
const log = createSilentLog()
const started: RunningCommand[] = []
let workDir = ''
let redis: EmbeddedRedis
let postgres: EmbeddedPostgres
let simulator: Simulator
let variables: Record<string, string> = {}

beforeAll(async () => {
  workDir = mkdtempSync(join(tmpdir(), 'inferq-commands-'))
  const cacheDir = join(import.meta.dirname, '../../.inferq/cache')
  simulator = createSimulator({ models: { sim: {} } })
  const parts = await Promise.all([
    startEmbeddedRedis({ dataDir: join(workDir, 'redis'), cacheDir, log }),
    startEmbeddedPostgres({ dataDir: join(workDir, 'postgres'), cacheDir, log }),
    simulator.start(),
  ])
  redis = parts[0]
  postgres = parts[1]
  const file = join(workDir, 'inferq.yaml')
  writeFileSync(
    file,
    `model_list:
  - model_name: public
    litellm_params: {model: openai/sim, api_base: "${simulator.url}/v1", max_tokens: 5}
    model_info: {class: lane-1, simulated: true}
general_settings: {master_key: os.environ/MASTER, database_url: os.environ/DATABASE}
`,
  )
  variables = { INFERQ_CONFIG: file, REDIS_URL: redis.url, DATABASE: postgres.url, MASTER: masterKey, PORT: '0' }
})
afterAll(async () => {
  for (const command of started) command.child.kill('SIGKILL')
  await Promise.all(started.map((command) => command.exited))
  await Promise.all([simulator.stop(), redis.stop(), postgres.stop()])
  rmSync(workDir, { recursive: true })
})

function start(...args: string[]): RunningCommand {
  const command = runCommand(args, variables)
  started.push(command)
  return command
}

/** The first log line with that event. */
async function untilLogged(command: RunningCommand, event: string): Promise<Record<string, unknown>> {
  return until(
    () => {
      const lines = command.stdout().split('\n').slice(0, -1)
      const facts = lines.map((line): Record<string, unknown> => JSON.parse(line))
      return facts.find((fact) => fact['event'] === event)
    },
    { everyMs: 20, what: event },
  )
}

describe('the commands of a production', () => {
  it('migrate the database once', async () => {
    expect(await runToEnd(['migrate'], variables)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^applied 1/),
    })
    expect(await runToEnd(['migrate'], variables)).toMatchObject({ code: 0, stdout: 'up to date\n' })
  })

  it('serve together, each a process of its own, with what the file says', async () => {
    const ingress = start('ingress')
    start('controller')
    const worker = start('worker', '--classes', 'lane-1', '--gpu', 'gpu-0')
    const { url } = await untilLogged(ingress, 'listening')
    expect(await untilLogged(worker, 'worker-started')).toMatchObject({ classes: ['lane-1'], gpu: 'gpu-0' })

    const headers = { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' }
    const messages = [{ role: 'user', content: 'Hello' }]
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ model: 'public', messages }),
    })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ usage: { completion_tokens: 5 } })

    const job = { type: 'completion', request: { model: 'public', messages } }
    const submitted = await fetch(`${url}/v1/jobs`, { method: 'POST', headers, body: JSON.stringify(job) })
    const { id } = (await submitted.json()) as { id: string }
    await until(
      async () => {
        const response = await fetch(`${url}/v1/jobs/${id}`, { headers })
        return ((await response.json()) as { status: string }).status === 'completed'
      },
      { everyMs: 20 },
    )
  })

  it('end with 0 when they are told to stop, within seconds, having said nothing secret', async () => {
    const stoppedAt = performance.now()
    for (const command of started) command.child.kill('SIGTERM')
    for (const command of started) expect(await command.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - stoppedAt).toBeLessThan(20_000)
    for (const command of started) expect(command.stdout() + command.stderr()).not.toContain(masterKey)
  })

  it('refuse a class that no model has', async () => {
    const { code, stderr } = await runToEnd(['worker', '--classes', 'lane-2'], variables)
    expect(code).toBe(3)
    expect(stderr).toMatch(/the class lane-2\n→ the classes are: lane-1/)
  })
})
