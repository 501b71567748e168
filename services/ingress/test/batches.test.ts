import type { BatchObject, BatchStatus, EndMessage, JobSpec } from '@inferq/contracts'
import { createDeadline } from '@inferq/runtime'
import type { StoredBatch } from '@inferq/store'
import { createJobSpec, until } from '@inferq/testkit'
import fc from 'fast-check'
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readInputLines } from '../src/batches/input-lines.ts'
import { type Bench, clock, createBench, masterKey, otherKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'
import { call } from './support/http.ts'

let database: TestDatabase
let bench: Bench
let client: OpenAI

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store, options: { batchEveryMs: 20 } })
  await bench.core.batchDesk.start()
  client = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: masterKey, maxRetries: 0 })
})
afterAll(async () => {
  const deadline = createDeadline(clock, { timeoutMs: 5_000, what: 'the end' })
  await bench?.core.batchDesk.stop(deadline)
  deadline.release()
  await bench?.close()
  await database?.stop()
})

const body = { model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }
const line = (customId: unknown, overrides: object = {}) =>
  JSON.stringify({ custom_id: customId, method: 'POST', url: '/v1/chat/completions', body, ...overrides })
const upload = async (text: string, purpose: 'batch' | 'user_data' = 'batch') =>
  (await client.files.create({ file: await toFile(Buffer.from(text, 'latin1'), 'input.jsonl'), purpose })).id
const endpoint = '/v1/chat/completions' as const
const create = async (text: string, more: object = {}) =>
  client.batches.create({ input_file_id: await upload(text), endpoint, completion_window: '24h', ...more })
const found = async (id: string): Promise<StoredBatch> => {
  const batch = await database.store.getBatch(id, 'master')
  if (batch === null) throw new Error(`there is no ${id}`)
  return batch
}
const waitFor = async (id: string, status: BatchStatus): Promise<StoredBatch> => {
  await until(async () => (await found(id)).status === status, { what: `${id} to be ${status}` })
  return found(id)
}
const linesOf = async (fileId: string | null | undefined): Promise<unknown[]> =>
  (await (await client.files.content(fileId ?? '')).text())
    .trimEnd()
    .split('\n')
    .map((text) => JSON.parse(text))

/** What controller and workers do with the lines of a batch. */
async function run(id: string, endOf: (spec: JobSpec, line: number) => Partial<EndMessage>): Promise<void> {
  const { store } = database
  const pending = await store.findPendingLines(id, 1_000)
  const specs = pending.map(({ jobId }) => createJobSpec({ id: jobId, owner: 'master', metadata: { batch_id: id } }))
  await store.insertAccepted(specs)
  await store.markLinesQueued(
    id,
    pending.map((one) => one.line),
  )
  await store.commitOutcomes(
    specs.map((spec, index): EndMessage => {
      const { type, operation, mode, tier, owner, model, requestId, metadata, createdAt } = spec
      return {
        ...{ kind: 'end', jobId: spec.id, status: 'completed', type, operation, mode, tier, owner, model, requestId },
        ...{ servedModel: model, class: 'gpu', metadata, createdAt, endedAt: createdAt + 10, attempts: [] },
        ...{ costNanoUsd: null, usage: { promptTokens: 3, completionTokens: 2 } },
        ...endOf(spec, pending[index]?.line ?? 0),
      }
    }),
  )
  await store.collectEndedJobs(
    id,
    specs.map((spec) => spec.id),
  )
  await store.endBatchRun(id)
}

describe('a batch', () => {
  it('comes out of the share of its maker, or of whom an administrator names', async () => {
    const tenantOfBatch = async (headers: Record<string, string>) => {
      const json = { input_file_id: await upload(line('one')), endpoint, completion_window: '24h' }
      const made = await call(`${bench.url}/v1/batches`, { json, headers })
      return (await found(((await made.json()) as { id: string }).id)).caller.tenant
    }
    expect(await tenantOfBatch({})).toBe('master')
    expect(await tenantOfBatch({ 'x-inferq-tenant': 'acme' })).toBe('acme')
    const refused = await call(`${bench.url}/v1/batches`, {
      json: { input_file_id: await upload(line('one')), endpoint, completion_window: '24h' },
      headers: { 'x-inferq-tenant': 'a b' },
    })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { code: 'invalid_value', param: 'x-inferq-tenant' } })
  })

  it('is validating at once, then runs, and ends with its files, for the official client', async () => {
    const text = ['one', 'two', 'three', 'four'].map((name) => line(name)).join('\n\n')
    const created = await create(text, {
      metadata: { job: 'nightly' },
      output_expires_after: { anchor: 'created_at', seconds: 3600 },
    })
    expect(created).toMatchObject({
      ...{ id: expect.stringMatching(/^batch_[0-9a-z]{26}$/), object: 'batch', status: 'validating', endpoint },
      ...{ completion_window: '24h', errors: null, output_file_id: null, metadata: { job: 'nightly' } },
      ...{ request_counts: { total: 0, completed: 0, failed: 0 }, expires_at: created.created_at + 86_400 },
    })
    await waitFor(created.id, 'in_progress')
    expect(await client.batches.retrieve(created.id)).toMatchObject({
      ...{ status: 'in_progress', model: 'chat', request_counts: { total: 4, completed: 0, failed: 0 } },
    })
    const result = { choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }] }
    const failure = { code: 'upstream_error' as const, message: 'It broke.' }
    await run(created.id, (_, number) => {
      if (number === 3) return { status: 'failed', error: failure }
      return number === 5 ? { status: 'expired' } : { result }
    })
    await waitFor(created.id, 'completed')
    const batch = await client.batches.retrieve(created.id)
    expect(batch).toMatchObject({
      request_counts: { total: 4, completed: 2, failed: 1 },
      usage: { input_tokens: 12, output_tokens: 8, total_tokens: 20 },
    })
    const jobOf = (number: number) => `job_${created.id.slice(6)}b${number}`
    const chat = { object: 'chat.completion', model: 'chat', created: expect.any(Number), ...result }
    expect(await linesOf(batch.output_file_id)).toEqual(
      [
        ['one', 1],
        ['four', 7],
      ].map(([name, number]) => ({
        id: `batch_req_${created.id.slice(6)}b${number}`,
        custom_id: name,
        error: null,
        response: {
          status_code: 200,
          request_id: jobOf(Number(number)),
          body: { id: `chatcmpl-${jobOf(Number(number)).slice(4)}`, ...chat },
        },
      })),
    )
    expect(await linesOf(batch.error_file_id)).toMatchObject([
      { custom_id: 'two', response: { status_code: 502, body: { error: { code: 'upstream_error' } } }, error: null },
      { custom_id: 'three', response: null, error: { code: 'batch_expired' } },
    ])
    const output = await client.files.retrieve(batch.output_file_id ?? '')
    expect(output).toMatchObject({ purpose: 'batch_output', expires_at: output.created_at + 3_600 })
  })

  it('has no error file where nothing failed', async () => {
    const { id } = await create(line('a'))
    await waitFor(id, 'in_progress')
    await run(id, () => ({ result: {} }))
    const { outputFileId, errorFileId } = await waitFor(id, 'completed')
    expect([outputFileId, errorFileId]).toEqual([expect.any(String), null])
  })

  it('runs completions and embeddings too', async () => {
    const text = line('a', { url: '/v1/completions', body: { model: 'chat', prompt: 'x' } })
    const first = await create(text, { endpoint: '/v1/completions' })
    const vectors = line('a', { url: '/v1/embeddings', body: { model: 'team/embed', input: ['x'] } })
    const second = await create(vectors, { endpoint: '/v1/embeddings' })
    const [one] = await waitFor(first.id, 'in_progress').then(() => database.store.findPendingLines(first.id, 9))
    const [two] = await waitFor(second.id, 'in_progress').then(() => database.store.findPendingLines(second.id, 9))
    expect([one, two]).toMatchObject([
      { operation: 'text', model: 'chat' },
      { operation: 'embeddings', model: 'team/embed' },
    ])
    await run(second.id, () => ({ operation: 'embeddings', result: { data: [], usage: {} } }))
    const { outputFileId } = await waitFor(second.id, 'completed')
    expect(await linesOf(outputFileId)).toMatchObject([
      { response: { body: { object: 'list', model: 'team/embed', data: [] } } },
    ])
  })

  it('runs responses, and answers with them', async () => {
    const asked = (more: object = {}) => ({
      ...{ url: '/v1/responses', body: { model: 'chat', input: 'Hi', instructions: 'Be kind.', ...more } },
    })
    const { id } = await create([line('a', asked()), line('b', asked({ max_output_tokens: 5 }))].join('\n'), {
      endpoint: '/v1/responses',
    })
    await waitFor(id, 'in_progress')
    const requests = await database.store.readLineRequests(id, [1])
    expect(requests.get(1)).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: expect.anything() },
      ],
    })
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }
    await run(id, (_, number) => ({
      result: {
        ...{ usage, object: 'chat.completion' },
        choices: [
          {
            index: 0,
            message: { role: 'assistant', content: 'Hello' },
            finish_reason: number === 1 ? 'stop' : 'length',
          },
        ],
      },
    }))
    const { outputFileId } = await waitFor(id, 'completed')
    const text = [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hello' }] }]
    expect(await linesOf(outputFileId)).toMatchObject([
      {
        custom_id: 'a',
        response: {
          status_code: 200,
          body: {
            ...{ id: `resp_${id.slice(6)}b1`, object: 'response', status: 'completed', model: 'chat', store: false },
            ...{ instructions: 'Be kind.', output: text, usage: { input_tokens: 3, output_tokens: 2 } },
            completed_at: expect.any(Number),
          },
        },
      },
      {
        custom_id: 'b',
        response: { body: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } } },
      },
    ])
  })

  it.each<[string, object, string, string]>([
    ['go on after another', { previous_response_id: 'resp_x' }, 'unsupported_parameter', 'body.previous_response_id'],
    [
      'refer to an item',
      { input: [{ type: 'item_reference', id: 'msg_x' }] },
      'unsupported_parameter',
      'body.input[0]',
    ],
    ['run in the background', { background: true }, 'unsupported_parameter', 'body.background'],
    ['have a bad parameter', { temperature: 9 }, 'invalid_value', 'body.temperature'],
  ])('refuses responses that %s', async (_, more, code, param) => {
    const bad = line('a', { url: '/v1/responses', body: { model: 'chat', input: 'Hi', ...more } })
    const { id } = await create(bad, { endpoint: '/v1/responses' })
    expect((await waitFor(id, 'failed')).errors).toMatchObject([{ code, param, line: 1 }])
  })

  it('is listed by pages, for its owner', async () => {
    const ids: string[] = []
    for await (const batch of client.batches.list({ limit: 1 })) ids.push(batch.id)
    expect(ids.length).toBeGreaterThan(2)
    expect(new Set(ids).size).toBe(ids.length)
    const others = await (await call(`${bench.url}/v1/batches`, { key: otherKey })).json()
    expect(others).toMatchObject({ data: [], has_more: false })
    for (const [method, path] of [
      ['GET', ids[0]],
      ['POST', `${ids[0]}/cancel`],
    ]) {
      const response = await call(`${bench.url}/v1/batches/${path}`, { method: method ?? '', key: otherKey })
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: { code: 'batch_not_found' } })
    }
  })

  it('is made once for an Idempotency-Key', async () => {
    const json = { input_file_id: await upload(line('a')), endpoint, completion_window: '24h' }
    const post = () => call(`${bench.url}/v1/batches`, { json, headers: { 'idempotency-key': 'batch-1' } })
    const [first, second] = [await post(), await post()]
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(((await second.json()) as BatchObject).id).toBe(((await first.json()) as BatchObject).id)
  })
})

describe('cancelling', () => {
  it('lets nothing more start, and is idempotent', async () => {
    const { id } = await create([line('a'), line('b')].join('\n'))
    await waitFor(id, 'in_progress')
    expect(await client.batches.cancel(id)).toMatchObject({ status: 'cancelling', cancelling_at: expect.any(Number) })
    expect((await client.batches.cancel(id)).status).toBe('cancelling')
    await database.store.closePendingLines(id, 'cancelled')
    await database.store.endBatchRun(id)
    const { errorFileId } = await waitFor(id, 'cancelled')
    expect(await linesOf(errorFileId)).toMatchObject([
      { custom_id: 'a', response: null, error: { code: 'batch_cancelled' } },
      { custom_id: 'b', response: null, error: { code: 'batch_cancelled' } },
    ])
    expect((await client.batches.cancel(id)).status).toBe('cancelled')
  })

  it('is too late when the batch has ended', async () => {
    const { id } = await create('')
    await waitFor(id, 'failed')
    await expect(client.batches.cancel(id)).rejects.toMatchObject({ status: 409, code: 'conflict' })
  })
})

describe('a file that is no good input', () => {
  it.each<[string, string, string, string | null]>([
    ['is no JSON', '{"custom_id": ', 'invalid_json_line', null],
    ['is no UTF-8', '"\xff"', 'invalid_json_line', null],
    [
      'is nested too deep',
      line('b', { body: { ...body, x: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) } }),
      'invalid_json_line',
      null,
    ],
    [
      'has a tool that answers nothing',
      line('b', { body: { ...body, messages: [{ role: 'tool', content: 'x' }] } }),
      'missing_required_parameter',
      'body.messages[0].tool_call_id',
    ],
    ['is no object', '[1]', 'invalid_json_line', null],
    ['has no custom_id', line(undefined), 'missing_required_parameter', 'custom_id'],
    ['has a number for custom_id', line(7), 'invalid_value', 'custom_id'],
    ['has an empty custom_id', line(''), 'invalid_value', 'custom_id'],
    ['has NUL in its custom_id', line('a\0'), 'invalid_value', 'custom_id'],
    ['repeats a custom_id', line('first'), 'duplicate_custom_id', 'custom_id'],
    ['is no POST', line('b', { method: 'GET' }), 'invalid_method', 'method'],
    ['is for another endpoint', line('b', { url: '/v1/embeddings' }), 'mismatched_url', 'url'],
    ['has no body', line('b', { body: undefined }), 'missing_required_parameter', 'body'],
    ['has a text for a body', line('b', { body: 'x' }), 'invalid_value', 'body'],
    ['has no messages', line('b', { body: { model: 'chat' } }), 'missing_required_parameter', 'body.messages'],
    ['has a bad parameter', line('b', { body: { ...body, temperature: 9 } }), 'invalid_value', 'body.temperature'],
    ['names no model', line('b', { body: { messages: body.messages } }), 'missing_required_parameter', 'body.model'],
    ['names an unknown model', line('b', { body: { ...body, model: 'x' } }), 'model_not_found', 'body.model'],
    [
      'names a model for something else',
      line('b', { body: { ...body, model: 'team/embed' } }),
      'invalid_value',
      'body.model',
    ],
    ['wants a stream', line('b', { body: { ...body, stream: true } }), 'invalid_value', 'body.stream'],
  ])('fails the batch where a line %s, naming it', async (_, bad, code, param) => {
    const { id } = await create([line('first'), '', bad].join('\n'))
    await waitFor(id, 'failed')
    const batch = await client.batches.retrieve(id)
    expect(batch.errors).toEqual({ object: 'list', data: [{ code, param, line: 3, message: expect.any(String) }] })
    expect(batch.request_counts).toEqual({ total: 0, completed: 0, failed: 0 })
    expect(await database.store.findPendingLines(id, 9)).toEqual([])
  })

  it('has its first hundred faults told', async () => {
    const { id } = await create('nonsense\n'.repeat(150))
    await waitFor(id, 'failed')
    const lines = (await client.batches.retrieve(id)).errors?.data?.map((fault) => fault.line)
    expect(lines).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  })

  it('may be empty, or hold too much', async () => {
    const empty = await create('\n \n')
    await waitFor(empty.id, 'failed')
    expect((await found(empty.id)).errors).toMatchObject([{ code: 'empty_file', line: null }])
    const much = await create(Array.from({ length: 50_001 }, (_, index) => line(`c${index}`)).join('\n'))
    await until(async () => (await found(much.id)).status === 'failed', { timeoutMs: 60_000 })
    expect((await found(much.id)).errors).toMatchObject([{ code: 'too_many_requests', line: 50_001 }])
  })
})

describe('a request for a batch', () => {
  it('is refused for what is wrong with it', async () => {
    const good = { input_file_id: await upload(line('a')), endpoint, completion_window: '24h' }
    const bad: [object, number, string, string][] = [
      [{ ...good, input_file_id: 'file-x' }, 404, 'file_not_found', 'input_file_id'],
      [{ ...good, input_file_id: await upload('x', 'user_data') }, 400, 'invalid_value', 'input_file_id'],
      [{ ...good, endpoint: '/v1/moderations' }, 400, 'invalid_value', 'endpoint'],
      [{ ...good, completion_window: '1h' }, 400, 'invalid_value', 'completion_window'],
      [{ ...good, metadata: { a: 1 } }, 400, 'invalid_value', 'metadata.a'],
      [{ ...good, extra: 1 }, 400, 'unknown_parameter', 'extra'],
      [{ endpoint, completion_window: '24h' }, 400, 'missing_required_parameter', 'input_file_id'],
      [
        { ...good, output_expires_after: { anchor: 'created_at', seconds: 60 } },
        ...([400, 'invalid_value', 'output_expires_after.seconds'] as const),
      ],
    ]
    for (const [json, status, code, param] of bad) {
      const response = await call(`${bench.url}/v1/batches`, { json })
      expect([response.status, await response.json()]).toMatchObject([status, { error: { code, param } }])
    }
    const foreign = await call(`${bench.url}/v1/batches`, { json: good, key: otherKey })
    expect(foreign.status).toBe(404)
  })
})

describe('an ingress that dies', () => {
  it('while it reads a batch, or writes it out: another one goes on', async () => {
    const { store } = database
    // Nobody else may take it before it is half read.
    const id = 'batch_halfread'
    const input = await upload([line('a'), line('b')].join('\n'))
    const dead = { holder: 'dead', leaseMs: 300 }
    await store.insertBatch({
      ...{ id, owner: 'master', endpoint, inputFileId: input, completionWindow: '24h', metadata: null, caller: {} },
      ...{ createdAt: 1, expiresAt: Date.now() + 1e6, outputExpiresSeconds: null },
    })
    await store.claimBatches('intake', { ...dead, limit: 99 })
    const half = { line: 1, customId: 'a', jobId: 'job_halfreadb1', model: 'chat', operation: 'chat' as const, body }
    const added = await store.addBatchLines(id, dead, [half])
    await waitFor(id, 'in_progress')
    expect(added || (await found(id)).counts.total === 2).toBe(true)
    await run(id, () => ({ result: {} }))
    await waitFor(id, 'completed')
    expect(await linesOf((await found(id)).outputFileId)).toMatchObject([{ custom_id: 'a' }, { custom_id: 'b' }])
  })
})

describe('the lines of a file', () => {
  const read = async (chunks: readonly Uint8Array[], maxBytes: number): Promise<unknown[]> => {
    async function* source(): AsyncGenerator<Uint8Array> {
      yield* chunks
    }
    const lines: unknown[] = []
    for await (const some of readInputLines(source(), maxBytes)) {
      for (const one of some) lines.push(one.kind === 'line' ? [one.line, one.bytes.toString('latin1')] : [one.line])
    }
    return lines
  }

  it('are the same however the file is cut', async () => {
    const texts = fc.array(fc.oneof(fc.string({ maxLength: 30 }), fc.constant(''), fc.constant(' \r')))
    await fc.assert(
      fc.asyncProperty(texts, fc.array(fc.nat({ max: 60 })), fc.boolean(), async (all, cuts, ends) => {
        const clean = all.map((text) => text.replaceAll('\n', ''))
        const bytes = Buffer.from(clean.join('\n') + (ends ? '\n' : ''), 'latin1')
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
        const chunks = places.slice(1).map((end, index) => bytes.subarray(places[index], end))
        const expected = clean.flatMap((text, index): unknown[] => {
          if (text.length > 20) return [[index + 1]]
          return /^[\0-\x20]*$/.test(text) ? [] : [[index + 1, text]]
        })
        expect(await read(chunks, 20)).toEqual(expected)
      }),
    )
  })
})
