import { until } from '@inferq/testkit'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type System, startSystem, wordsOf } from './system.ts'

let system: System

beforeAll(async () => {
  system = await startSystem()
})
afterAll(() => system.stack.close())

type Event = OpenAI.Responses.ResponseStreamEvent

const createClient = (baseURL: string): OpenAI =>
  new OpenAI({ apiKey: system.key, baseURL, maxRetries: 0, timeout: 60_000 })

/** Reads until the stream ends, breaks off, or `enough` says so. */
async function read(stream: AsyncIterable<Event>, enough: (events: readonly Event[]) => boolean): Promise<Event[]> {
  const events: Event[] = []
  try {
    for await (const event of stream) {
      events.push(event)
      if (enough(events)) break
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error
  }
  return events
}

const textOf = (events: readonly Event[]): string =>
  events.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('')

const words = wordsOf(80)

it('a background response goes on after ingress and worker were killed; its reader resumes where it was', async () => {
  system.stack.simulator.script('chat', { text: words, interTokenMs: 30 })
  const doomed = await system.stack.startIngress()
  const stream = await createClient(`${doomed.url}/v1`).responses.create({
    model: 'chat',
    input: 'Count.',
    background: true,
    stream: true,
  })
  const seen = await read(stream, (events) => textOf(events).split(' ').length > 10)
  const first = seen[0]
  expect(first?.type).toBe('response.created')
  const id = first?.type === 'response.created' ? first.response.id : ''
  const last = seen.at(-1)?.sequence_number ?? -1
  expect(seen.map(({ sequence_number }) => sequence_number)).toEqual(seen.map((_, index) => index))

  doomed.kill('SIGKILL')
  system.worker.kill('SIGKILL')
  await Promise.all([doomed.exited, system.worker.exited])
  await system.stack.startWorker()

  const client = createClient(system.baseUrl)
  const rest = await read(await client.responses.retrieve(id, { stream: true, starting_after: last }), () => false)
  // vLLM goes on with a given beginning: nothing shown is void, nothing is missing, nothing comes twice.
  expect(rest.map(({ sequence_number }) => sequence_number)).toEqual(rest.map((_, index) => last + 1 + index))
  expect(rest.at(-1)?.type).toBe('response.completed')
  expect(textOf([...seen, ...rest])).toBe(words)

  const done = await client.responses.retrieve(id)
  expect([done.status, done.output_text]).toEqual(['completed', words])
  const again = await client.responses.stream({ response_id: id, starting_after: last }).finalResponse()
  expect(again.output_text).toBe(words)
})

it('a replay from any number on is the same suffix, at any ingress', async () => {
  system.stack.simulator.script('chat', { text: 'one two three four', interTokenMs: 5 })
  const client = createClient(system.baseUrl)
  const { id } = await client.responses.create({ model: 'chat', input: 'Count.', background: true })
  await until(async () => (await client.responses.retrieve(id)).status === 'completed')
  const other = createClient(`${(await system.stack.startIngress()).url}/v1`)
  const whole = await read(await client.responses.retrieve(id, { stream: true }), () => false)
  expect(whole.at(-1)?.type).toBe('response.completed')
  for (const after of whole.keys()) {
    const rest = await read(await other.responses.retrieve(id, { stream: true, starting_after: after }), () => false)
    expect(rest).toEqual(whole.slice(after + 1))
  }
})
