import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createDeadline } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import fc from 'fast-check'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expiryOf } from '../src/batches/expiry.ts'
import { parseRange } from '../src/byte-range.ts'
import { type Bench, clock, createBench, masterKey, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

const yaml = `
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
files: {max_file_mb: 1}
`
let directory: string
let database: TestDatabase
let bench: Bench
let client: OpenAI

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferq-files-'))
  database = await startDatabase()
  bench = await createBench({ store: database.store, filesDir: directory, yaml, options: { sweepEveryMs: 20 } })
  await bench.core.batchDesk.start()
  client = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: masterKey, maxRetries: 0 })
})
afterAll(async () => {
  const deadline = createDeadline(clock, { timeoutMs: 5_000, what: 'the end' })
  await bench?.core.batchDesk.stop(deadline)
  deadline.release()
  await bench?.close()
  await database?.stop()
  await rm(directory, { recursive: true, force: true })
})

const kept = (): Promise<string[]> => readdir(directory).catch((): string[] => [])
const upload = (text: string | Buffer, name = 'input.jsonl', purpose = 'batch', key = masterKey) => {
  const form = new FormData()
  form.set('purpose', purpose)
  form.set('file', new Blob([new Uint8Array(Buffer.from(text))]), name)
  return post(form, key)
}
const post = (form: FormData, key = masterKey) =>
  fetch(`${bench.url}/v1/files`, { method: 'POST', headers: { authorization: `Bearer ${key}` }, body: form })
const errorOf = async (response: Response) =>
  ((await response.json()) as { error: { code: string; param: string | null } }).error

describe('the official client', () => {
  it('uploads, finds, lists, reads and deletes a file', async () => {
    const text = '{"custom_id":"ü"}\n'.repeat(1_000)
    const file = await client.files.create({ file: await toFile(Buffer.from(text), 'ü .jsonl'), purpose: 'batch' })
    expect(file).toMatchObject({
      ...{ id: expect.stringMatching(/^file-[0-9a-z]{26}$/), object: 'file', purpose: 'batch', status: 'processed' },
      ...{ bytes: Buffer.byteLength(text), filename: 'ü .jsonl', expires_at: file.created_at + 30 * 86_400 },
    })
    expect(await client.files.retrieve(file.id)).toEqual(file)
    const content = await client.files.content(file.id)
    expect(content.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''%C3%BC%20.jsonl")
    expect(content.headers.get('content-type')).toBe('application/octet-stream')
    expect(await content.text()).toBe(text)
    const others = [await upload('a'), await upload('b'), await upload('c', 'c.txt', 'user_data')]
    expect(others.map(({ status }) => status)).toEqual([200, 200, 200])
    const listed: string[] = []
    for await (const one of client.files.list({ limit: 2, purpose: 'batch', order: 'asc' })) listed.push(one.id)
    expect(listed).toHaveLength(3)
    expect(listed[0]).toBe(file.id)
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true })
    await expect(client.files.retrieve(file.id)).rejects.toMatchObject({ status: 404, code: 'file_not_found' })
    await expect(client.files.content(file.id)).rejects.toMatchObject({ status: 404 })
    await until(async () => !(await kept()).includes(file.id))
  })

  it('says when a file shall expire', async () => {
    const file = await client.files.create({
      file: await toFile(Buffer.from('x'), 'x.txt'),
      purpose: 'user_data',
      expires_after: { anchor: 'created_at', seconds: 3_600 },
    })
    expect(file.expires_at).toBe(file.created_at + 3_600)
  })
})

describe('a file', () => {
  it('is its owner’s alone', async () => {
    const { id } = (await (await upload('secret')).json()) as { id: string }
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/content'],
      ['DELETE', ''],
    ] as const) {
      expect((await call(`${bench.url}/v1/files/${id}${path}`, { method, key: otherKey })).status).toBe(404)
    }
    const list = await (await call(`${bench.url}/v1/files`, { key: otherKey })).json()
    expect(list).toEqual({ object: 'list', data: [], first_id: null, last_id: null, has_more: false })
    expect((await call(`${bench.url}/v1/files?after=${id}`, { key: otherKey })).status).toBe(400)
    expect((await call(`${bench.url}/files/${id}/content`, { key: null })).status).toBe(401)
  })

  it('is read in parts', async () => {
    const { id } = (await (await upload('0123456789')).json()) as { id: string }
    const read = (range: string) => call(`${bench.url}/files/${id}/content`, { headers: { range } })
    const part = await read('bytes=2-4')
    expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234'])
    expect(await (await read('bytes=-3')).text()).toBe('789')
    expect(await (await read('bytes=0-0,5-6')).text()).toBe('0123456789')
    const beyond = await read('bytes=10-')
    expect([beyond.status, beyond.headers.get('content-range')]).toEqual([416, 'bytes */10'])
    expect(await errorOf(beyond)).toMatchObject({ code: 'invalid_value', param: 'Range' })
  })

  it('may be empty', async () => {
    const { id, bytes } = (await (await upload('')).json()) as { id: string; bytes: number }
    expect(bytes).toBe(0)
    expect(await (await call(`${bench.url}/v1/files/${id}/content`)).text()).toBe('')
  })

  it('goes when its time is over', async () => {
    const { id } = (await (await upload('old')).json()) as { id: string }
    await database.store.completeFile({ id, purpose: 'batch', filename: 'x', bytes: 3, expiresAt: Date.now() - 1 })
    expect((await call(`${bench.url}/v1/files/${id}`)).status).toBe(404)
    await until(async () => !(await kept()).includes(id))
    // Its row goes after what it held.
    await until(async () => (await database.store.findDeadFiles({ abandonedBefore: 0, limit: 9 })).length === 0)
  })
})

describe('an upload that will not do', () => {
  const form = (entries: readonly (readonly [string, string | Blob])[]): FormData => {
    const made = new FormData()
    for (const [name, value] of entries) {
      if (typeof value === 'string') made.append(name, value)
      else made.append(name, value, 'x.jsonl')
    }
    return made
  }
  const blob = new Blob(['x'])

  it.each<[string, FormData, string, string | null]>([
    ['without a file', form([['purpose', 'batch']]), 'missing_required_parameter', 'file'],
    ['without a purpose', form([['file', blob]]), 'missing_required_parameter', 'purpose'],
    [
      'with a purpose that is none',
      form([
        ['purpose', 'fun'],
        ['file', blob],
      ]),
      'invalid_value',
      'purpose',
    ],
    [
      'with a purpose that is none, after it',
      form([
        ['file', blob],
        ['purpose', 'batch_output'],
      ]),
      'invalid_value',
      'purpose',
    ],
    [
      'that is a text',
      form([
        ['purpose', 'batch'],
        ['file', 'text'],
      ]),
      'invalid_value',
      'file',
    ],
    [
      'under another name',
      form([
        ['purpose', 'batch'],
        ['document', blob],
      ]),
      'unknown_parameter',
      'document',
    ],
    [
      'with a field too many',
      form([
        ['purpose', 'batch'],
        ['extra', 'x'],
        ['file', blob],
      ]),
      'unknown_parameter',
      'extra',
    ],
    [
      'of two files',
      form([
        ['purpose', 'batch'],
        ['file', blob],
        ['file', blob],
      ]),
      'invalid_value',
      null,
    ],
    [
      'that expires too soon',
      form([
        ['purpose', 'batch'],
        ['expires_after[anchor]', 'created_at'],
        ['expires_after[seconds]', '60'],
        ['file', blob],
      ]),
      'invalid_value',
      'expires_after.seconds',
    ],
    [
      'that expires after something else',
      form([
        ['purpose', 'batch'],
        ['expires_after[anchor]', 'now'],
        ['expires_after[seconds]', '3600'],
        ['file', blob],
      ]),
      'invalid_value',
      'expires_after.anchor',
    ],
  ])('%s is refused, and nothing of it stays', async (_, body, code, param) => {
    const before = await kept()
    const response = await post(body)
    expect(response.status).toBe(400)
    expect(await errorOf(response)).toMatchObject({ code, param })
    await until(async () => (await kept()).length === before.length)
  })

  it('that is too large is refused with 413, and nothing of it stays', async () => {
    const before = await kept()
    const response = await upload(Buffer.alloc(1_048_577))
    expect(response.status).toBe(413)
    expect(await errorOf(response)).toMatchObject({ code: 'payload_too_large', param: 'file' })
    await until(async () => (await kept()).length === before.length)
    expect((await upload(Buffer.alloc(1_048_576))).status).toBe(200)
  })

  it('that is no form is refused with 415', async () => {
    const response = await call(`${bench.url}/v1/files`, { json: { purpose: 'batch' } })
    expect([response.status, (await errorOf(response)).code]).toEqual([415, 'unsupported_media_type'])
    const elsewhere = await fetch(`${bench.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}` },
      body: form([['file', blob]]),
    })
    expect(elsewhere.status).toBe(415)
  })

  it('whose form is broken is refused', async () => {
    for (const [type, text] of [
      [
        'multipart/form-data; boundary=x',
        '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nabc',
      ],
      ['multipart/form-data; boundary=x', 'nothing of the kind'],
      ['multipart/form-data', '--x--'],
    ] as const) {
      const response = await call(`${bench.url}/v1/files`, { method: 'POST', text, headers: { 'content-type': type } })
      expect(response.status).toBe(400)
      expect(await errorOf(response)).toMatchObject({ code: expect.any(String) })
    }
  })

  it('whose client goes away leaves nothing', async () => {
    const before = await kept()
    const { hostname, port } = new URL(bench.url)
    const sending = request({
      ...{ hostname, port, method: 'POST', path: '/v1/files' },
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'multipart/form-data; boundary=x' },
    })
    sending.on('error', () => {})
    sending.write('--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n')
    sending.write(Buffer.alloc(100_000))
    await until(async () => (await kept()).some((name) => name.endsWith('.part')))
    sending.destroy()
    await new Promise<void>((resolve) => void sending.once('close', () => resolve()))
    await until(async () => (await kept()).length === before.length)
  })
})

describe('a Range', () => {
  it('lies within the file, or is none', () => {
    const bound = fc.oneof(fc.constant(''), fc.nat({ max: 30 }).map(String))
    fc.assert(
      fc.property(bound, bound, fc.nat({ max: 20 }), (first, last, size) => {
        const range = parseRange(`bytes=${first}-${last}`, size)
        if (range.kind !== 'part') return
        expect(range.start).toBeGreaterThanOrEqual(0)
        expect(range.end).toBeGreaterThanOrEqual(range.start)
        expect(range.end).toBeLessThan(size)
        if (first !== '') expect(range.start).toBe(Number(first))
      }),
    )
    expect(parseRange('lines=1-2', 10)).toEqual({ kind: 'whole' })
    expect(parseRange(undefined, 10)).toEqual({ kind: 'whole' })
    expect(parseRange('bytes=5-2', 10)).toEqual({ kind: 'whole' })
    expect(parseRange('bytes=-0', 10)).toEqual({ kind: 'unsatisfiable' })
  })
})

describe('the time of a file', () => {
  it('is what it says itself, else what the configuration says, else 30 days for batches', () => {
    const file = (purpose: string, expiresAfterSeconds: number | null = null) => ({
      ...{ purpose, createdAt: 1_000, expiresAfterSeconds },
    })
    expect(expiryOf(file('batch', 60), 5)).toBe(61_000)
    expect(expiryOf(file('user_data'), 5)).toBe(6_000)
    expect(expiryOf(file('batch'), 0)).toBeNull()
    expect(expiryOf(file('batch_output'), undefined)).toBe(1_000 + 30 * 86_400_000)
    expect(expiryOf(file('user_data'), undefined)).toBeNull()
  })
})
