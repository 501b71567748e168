import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@inferq/testkit'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'
import { runToEnd } from './command.ts'

let stack: Stack
let ingress: ServiceProcess
let controller: ServiceProcess
let client: OpenAI
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inferq-batches-'))
  stack = await startStack()
  ;[ingress, controller] = await Promise.all([stack.startIngress(), stack.startController(), stack.startWorker()])
  client = new OpenAI({ baseURL: `${ingress.url}/v1`, apiKey: stack.masterKey, maxRetries: 0 })
})
afterAll(async () => {
  await stack?.close()
  await rm(folder, { recursive: true, force: true })
})

/** Every tenth line is refused by the upstream. */
const isBad = (index: number): boolean => index % 10 === 9
const lines = (count: number, sim: object = {}): string =>
  Array.from({ length: count }, (_, index) =>
    JSON.stringify({
      custom_id: `line-${index}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: 'chat',
        messages: [{ role: 'user', content: `Number ${index}` }],
        sim: isBad(index) ? { fault: { status: 400, message: 'No.' } } : { text: `answer ${index}`, ...sim },
      },
    }),
  ).join('\n')

const endpoint = '/v1/chat/completions' as const
const create = async (text: string) => {
  const file = await client.files.create({ file: await toFile(Buffer.from(text), 'input.jsonl'), purpose: 'batch' })
  return client.batches.create({ input_file_id: file.id, endpoint, completion_window: '24h' })
}
const status = async (id: string) => (await client.batches.retrieve(id)).status
const linesOf = async (fileId: string | undefined): Promise<OutputLine[]> =>
  parseLines(await (await client.files.content(fileId ?? '')).text())
const parseLines = (text: string): OutputLine[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

interface OutputLine {
  readonly custom_id: string
  readonly response: {
    readonly status_code: number
    readonly request_id: string
    readonly body: { choices?: { message: { content: string } }[]; error?: { code: string } }
  } | null
  readonly error: { readonly code: string } | null
}

const all = (count: number, bad: boolean): number[] =>
  Array.from({ length: count }, (_, index) => index).filter((index) => isBad(index) === bad)

describe('a batch', () => {
  it('of 300 lines, whose controller is killed in the middle, has every line answered or told why not', async () => {
    const { id } = await create(lines(300, { interTokenMs: 60 }))
    const counts = async () => (await client.batches.retrieve(id)).request_counts
    await until(async () => ((await counts())?.completed ?? 0) >= 40)
    controller.kill('SIGKILL')
    await controller.exited
    expect((await counts())?.completed).toBeLessThan(270)
    controller = await stack.startController()
    await until(async () => (await status(id)) === 'completed', { timeoutMs: 90_000, what: 'the end' })

    const batch = await client.batches.retrieve(id)
    expect(batch.request_counts).toEqual({ total: 300, completed: 270, failed: 30 })
    const answers = await linesOf(batch.output_file_id)
    expect(answers.map((line) => line.custom_id)).toEqual(all(300, false).map((index) => `line-${index}`))
    for (const [place, index] of all(300, false).entries()) {
      const { response, error } = answers[place] ?? { response: null, error: undefined }
      expect([response?.status_code, error]).toEqual([200, null])
      expect(response?.body.choices?.[0]?.message.content).toBe(`answer ${index}`)
    }
    const faults = await linesOf(batch.error_file_id)
    expect(faults.map((line) => line.custom_id)).toEqual(all(300, true).map((index) => `line-${index}`))
    expect(new Set(faults.map(({ response }) => response?.status_code))).toEqual(new Set([400]))
    expect(new Set([...answers, ...faults].map(({ response }) => response?.request_id)).size).toBe(300)
    // The worker lives, so nothing runs twice.
    expect(stack.simulator.stats().models['chat']?.calls).toBe(300)
  })

  it('that is cancelled keeps what was answered, and tells of the rest', async () => {
    const { id } = await create(lines(400, { interTokenMs: 1_000 }))
    await until(async () => ((await client.batches.retrieve(id)).request_counts?.completed ?? 0) > 0)
    expect((await client.batches.cancel(id)).status).toBe('cancelling')
    await until(async () => (await status(id)) === 'cancelled')
    const batch = await client.batches.retrieve(id)
    const answered = await linesOf(batch.output_file_id)
    const others = await linesOf(batch.error_file_id)
    expect(answered.length).toBe(batch.request_counts?.completed)
    expect(answered.length + others.length).toBe(400)
    expect(others.filter(({ error }) => error?.code === 'batch_cancelled').length).toBeGreaterThan(50)
  })
})

describe('inferq batches', () => {
  const run = (...args: string[]) =>
    runToEnd(['batches', ...args, '--url', ingress.url], { INFERQ_MASTER_KEY: stack.masterKey })

  it('submits a file, waits for its end and writes the answers', async () => {
    const file = join(folder, 'requests.jsonl')
    await writeFile(file, lines(9))
    const submitted = await run('submit', file, '--wait')
    const id = submitted.stdout.trim()
    expect(submitted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^batch_\w+\n$/) })
    expect(submitted.stderr).toContain(`${id} completed: 9 of 9 answered, 0 failed\n→ inferq batches download ${id}\n`)
    const written = join(folder, 'answers.jsonl')
    expect((await run('download', id, '--output', written)).code).toBe(0)
    const printed = await run('download', id)
    expect(parseLines(printed.stdout)).toHaveLength(9)
    expect(await run('download', id, '--errors')).toMatchObject({
      ...{ code: 1, stderr: `inferq: ${id} is completed: there are no errors\n` },
    })
    expect((await run('list')).stdout).toContain(`${id}  completed`)
    expect(JSON.parse((await run('get', id)).stdout)).toMatchObject({ id, status: 'completed' })
    expect(await run('cancel', id)).toMatchObject({
      code: 1,
      stderr: 'inferq: Cannot cancel a batch that is completed.\n',
    })
  })

  it('says what is wrong with a file, line by line, and ends with 2', async () => {
    const file = join(folder, 'bad.jsonl')
    await writeFile(file, `${lines(2)}\nnonsense\n`)
    const { code, stderr } = await run('submit', file, '--wait')
    expect(code).toBe(2)
    expect(stderr).toContain('  line 3: This line is not parseable as a JSON object.\n')
    expect(await run('submit', join(folder, 'nowhere.jsonl'))).toMatchObject({ code: 64 })
  })
})
