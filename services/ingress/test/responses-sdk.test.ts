import { until } from '@inferq/testkit'
import OpenAI, { APIError, BadRequestError, NotFoundError } from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Attempt, type Bench, createBench, masterKey } from './support/bench.ts'
import { startDatabase, type TestDatabase } from './support/database.ts'

let database: TestDatabase
let bench: Bench
let openai: OpenAI

beforeAll(async () => {
  database = await startDatabase()
  bench = await createBench({ store: database.store })
  openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: masterKey, maxRetries: 0 })
})
afterAll(async () => {
  await bench?.close()
  await database?.stop()
})

const asked = { model: 'chat', input: 'Hi' }
const result = (message: object) => ({ choices: [{ index: 0, message, finish_reason: 'stop' }] })
const jobOf = (id: string) => id.replace(/^resp_/, 'job_')

async function newJob(known: ReadonlySet<string>): Promise<Attempt> {
  const jobs = async () => (await database.store.listJobs('master', { limit: 5 })).jobs
  const id = await until(async () => {
    const job = (await jobs()).find((one) => !known.has(one.id))
    return job !== undefined && (await bench.tokenLog.record(job.id)) !== null ? job.id : undefined
  })
  return bench.begin(id)
}

const knownJobs = async () =>
  new Set((await database.store.listJobs('master', { limit: 100 })).jobs.map(({ id }) => id))

describe('the official SDK, unchanged', () => {
  it('creates, retrieves and deletes', async () => {
    const known = await knownJobs()
    const creating = openai.responses.create({ ...asked, instructions: 'Be brief.' })
    const attempt = await newJob(known)
    await attempt.say('Hello')
    const usage = { promptTokens: 3, completionTokens: 1 }
    await attempt.end('completed', { finishReason: 'stop', usage, result: result({ content: 'Hello' }) })
    const response = await creating
    expect([response.status, response.output_text, response.usage?.total_tokens]).toEqual(['completed', 'Hello', 4])
    expect((await openai.responses.retrieve(response.id)).output_text).toBe('Hello')
    await openai.responses.delete(response.id)
    await expect(openai.responses.retrieve(response.id)).rejects.toBeInstanceOf(NotFoundError)
  })

  it('accumulates a stream with reasoning, text and calls, and its replay from any number', async () => {
    const known = await knownJobs()
    const stream = openai.responses.stream({ ...asked, tools: [tool] })
    const attempt = await newJob(known)
    const call = (fields: object) => [{ index: 0, delta: { tool_calls: [{ index: 0, ...fields }] } }]
    attempt.writer.deltas([{ index: 0, delta: { reasoning_content: 'Hmm.' } }])
    await attempt.say('Let me ', 'look.')
    attempt.writer.deltas(call({ id: 'call_1', function: { name: 'look', arguments: '{"at":' } }))
    attempt.writer.deltas(call({ function: { arguments: '"it"}' } }))
    const called = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"at":"it"}' } }
    const message = { reasoning_content: 'Hmm.', content: 'Let me look.', tool_calls: [called] }
    await attempt.end('completed', { finishReason: 'tool_calls', result: result(message) })
    const final = await stream.finalResponse()
    expect(final.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call'])
    expect(final.output_text).toBe('Let me look.')
    expect(final.output[2]).toMatchObject({ call_id: 'call_1', arguments: '{"at":"it"}', status: 'completed' })

    const replayed: number[] = []
    const again = openai.responses.stream({ response_id: final.id, starting_after: 5 })
    again.on('event', (event) => replayed.push(event.sequence_number))
    expect((await again.finalResponse()).output).toEqual(final.output)
    expect(replayed[0]).toBe(6)
    const resumed: number[] = []
    for await (const event of await openai.responses.retrieve(final.id, { stream: true, starting_after: 7 })) {
      resumed.push(event.sequence_number)
    }
    expect(resumed).toEqual(replayed.slice(2))
  })

  const tool = {
    type: 'function',
    name: 'look',
    parameters: { type: 'object', properties: { at: { type: 'string' } } },
    strict: false,
  } as const

  it('follows a background response, cancels it, and lists its input', async () => {
    const queued = await openai.responses.create({ ...asked, background: true })
    expect(queued.status).toBe('queued')
    const attempt = await bench.begin(jobOf(queued.id))
    const cancelling = openai.responses.cancel(queued.id)
    await until(async () => (await bench.tokenLog.record(jobOf(queued.id)))?.cancelRequested)
    await attempt.end('cancelled')
    expect((await cancelling).status).toBe('cancelled')
    expect((await openai.responses.cancel(queued.id)).status).toBe('cancelled')
    const items = []
    for await (const item of openai.responses.inputItems.list(queued.id)) items.push(item)
    expect(items).toMatchObject([{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] }])
  })

  it('lists many input items page by page', async () => {
    const input = Array.from({ length: 45 }, (_, place) => ({ role: 'user' as const, content: `line ${place}` }))
    const { id } = await openai.responses.create({ ...asked, input, background: true })
    const texts: unknown[] = []
    for await (const item of openai.responses.inputItems.list(id, { order: 'asc' })) {
      texts.push(item.type === 'message' && item.content[0]?.type === 'input_text' ? item.content[0].text : null)
    }
    expect(texts).toEqual(input.map(({ content }) => content))
  })

  it('raises its own classes', async () => {
    const tools = [{ type: 'web_search' as const }]
    await expect(openai.responses.create({ ...asked, tools })).rejects.toSatisfy(
      (error) => error instanceof BadRequestError && error.param === 'tools[0].type',
    )
    const { id } = await openai.responses.create({ ...asked, background: true })
    const stream = await openai.responses.retrieve(id, { stream: true })
    const first = await bench.begin(jobOf(id))
    await first.say('void')
    const reading = (async () => {
      for await (const event of stream) {
        if (event.type === 'response.output_text.delta') await first.release('retry')
        if (event.type === 'response.output_text.delta') await bench.begin(jobOf(id), 'w2')
      }
    })()
    await expect(reading).rejects.toSatisfy((error) => error instanceof APIError && error.code === 'stream_interrupted')
  })
})
