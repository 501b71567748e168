import { until } from '@inferq/testkit'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { collect, type System, startSystem } from './system.ts'

let system: System
let client: OpenAI

beforeAll(async () => {
  system = await startSystem()
  client = new OpenAI({ apiKey: system.key, baseURL: system.baseUrl, maxRetries: 0, timeout: 60_000 })
})
afterAll(() => system.stack.close())

interface OutputLine {
  readonly custom_id: string
  readonly response: { readonly status_code: number; readonly body: { readonly choices: unknown[] } } | null
  readonly error: { readonly code: string } | null
}

const linesOf = (text: string): OutputLine[] =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

function upload(lines: readonly object[]): Promise<OpenAI.FileObject> {
  const text = lines.map((line) => JSON.stringify(line)).join('\n')
  return toFile(Buffer.from(text), 'requests.jsonl').then((file) => client.files.create({ file, purpose: 'batch' }))
}

const request = (id: string, content: string): object => ({
  custom_id: id,
  method: 'POST',
  url: '/v1/chat/completions',
  body: { model: 'chat', messages: [{ role: 'user', content }] },
})

function ended(id: string): Promise<OpenAI.Batch> {
  return until(
    async () => {
      const batch = await client.batches.retrieve(id)
      return ['completed', 'failed', 'cancelled', 'expired'].includes(batch.status) ? batch : undefined
    },
    { timeoutMs: 30_000, everyMs: 50, what: 'the end of the batch' },
  )
}

describe('files, through the official openai package', () => {
  it('are uploaded, found, listed, read and deleted', async () => {
    const file = await upload([request('a', 'one')])
    expect(file).toMatchObject({ object: 'file', purpose: 'batch', filename: 'requests.jsonl' })
    expect((await client.files.retrieve(file.id)).bytes).toBe(file.bytes)
    const listed = await collect(client.files.list({ limit: 1 }))
    expect(listed.map(({ id }) => id)).toContain(file.id)
    const content = await client.files.content(file.id)
    expect(JSON.parse(await content.text())).toEqual(request('a', 'one'))
    expect(await client.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true })
    await expect(client.files.retrieve(file.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })
})

describe('batches, through the official openai package', () => {
  it('run to their end; each line is answered under its own id', async () => {
    const ids = Array.from({ length: 12 }, (_, index) => `line-${index}`)
    const input = await upload(ids.map((id) => request(id, `Say ${id}`)))
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
      metadata: { run: 'nightly' },
    })
    expect(batch).toMatchObject({ object: 'batch', metadata: { run: 'nightly' } })
    const done = await ended(batch.id)
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 12, completed: 12, failed: 0 } })
    const output = linesOf(await (await client.files.content(done.output_file_id ?? '')).text())
    expect(output.map((line) => line.custom_id)).toEqual(ids)
    expect(output.every((line) => line.response?.status_code === 200)).toBe(true)
    expect(output[0]?.response?.body.choices).toHaveLength(1)
    expect((await collect(client.batches.list())).map(({ id }) => id)).toContain(batch.id)
  })

  it('with a bad line fail before anything runs, naming the line', async () => {
    const input = await upload([request('a', 'one'), { custom_id: 'b', method: 'POST', url: '/v1/embeddings' }])
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    const done = await ended(batch.id)
    expect(done.status).toBe('failed')
    expect(done.errors?.data?.[0]?.line).toBe(2)
  })

  it('are cancelled, and say so again', async () => {
    system.stack.simulator.script('chat', { ttftMs: 5_000 })
    const input = await upload(Array.from({ length: 40 }, (_, index) => request(`slow-${index}`, 'slowly')))
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    expect((await client.batches.cancel(batch.id)).status).toMatch(/^cancell(ing|ed)$/)
    system.stack.simulator.script('chat', { ttftMs: null })
    expect((await ended(batch.id)).status).toBe('cancelled')
  })

  it('that are unknown, or of a file that is, get the right class', async () => {
    await expect(client.batches.retrieve('batch_none')).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    const create = client.batches.create({
      input_file_id: 'file-none',
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    })
    await expect(create).rejects.toBeInstanceOf(OpenAI.APIError)
  })
})
