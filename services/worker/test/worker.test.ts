import { createCancelBroadcast } from '@inferq/queue'
import { until } from '@inferq/testkit'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bench, createBench } from './support.ts'

let bench: Bench

beforeEach(async () => {
  bench = await createBench()
})
afterEach(async () => {
  await bench.close()
})

const kinds = (entries: readonly { kind: string }[]) => entries.map((entry) => entry.kind).join('')

describe('a completion', () => {
  it('streams its tokens into the log and keeps the whole answer', async () => {
    bench.simulator.script('chat', { text: 'The quick brown fox jumps over the lazy dog', interTokenMs: 40 })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end.status).toBe('completed')
    expect(end.text).toBe('The quick brown fox jumps over the lazy dog')
    expect(end.entries.filter((entry) => entry.kind === 't').length).toBeGreaterThan(2)
    expect(end.report.result).toMatchObject({
      object: 'chat.completion',
      model: 'chat',
      choices: [
        {
          message: { role: 'assistant', content: 'The quick brown fox jumps over the lazy dog' },
          finish_reason: 'stop',
        },
      ],
    })
    expect(end.report.usage?.completionTokens).toBeGreaterThan(0)
    expect(end.report.attempts).toMatchObject([{ attempt: 1, outcome: 'completed', deployment: 'chat/openai/chat' }])
    expect(bench.lines.find((line) => line['event'] === 'job-end')).toMatchObject({ success: true, model: 'chat' })
    expect(JSON.stringify(bench.lines)).not.toMatch(/quick brown|sk-test/)
  })

  it('that is not streamed has its answer in the terminal entry', async () => {
    bench.simulator.script('chat', { text: 'whole' })
    await bench.startWorker()
    const spec = await bench.submit({ stream: false, keepResult: false, mode: 'interactive' })
    const end = await bench.end(spec.id)
    expect(kinds(end.entries)).toBe('sC')
    expect(end.payload.result).toMatchObject({ choices: [{ message: { content: 'whole' } }] })
    expect(end.report).not.toHaveProperty('result')
  })

  it('of the legacy kind is made of text', async () => {
    bench.simulator.script('chat', { text: 'continued' })
    await bench.startWorker()
    const spec = await bench.submit({ operation: 'text', request: { model: 'chat', prompt: 'Once' } })
    expect((await bench.end(spec.id)).report.result).toMatchObject({
      object: 'text_completion',
      choices: [{ text: 'continued' }],
    })
  })
})

it('makes embeddings', async () => {
  await bench.startWorker()
  const request = { model: 'embed', input: ['one', 'two'], dimensions: 8 }
  const spec = await bench.submit({ type: 'embedding', operation: 'embeddings', model: 'embed', request })
  const { report } = await bench.end(spec.id)
  expect(report.result).toMatchObject({ object: 'list', data: [{ index: 0 }, { index: 1 }] })
  expect(report.usage?.promptTokens).toBeGreaterThan(0)
})

describe('a summarization', () => {
  it('of a text that fits is one streamed call', async () => {
    bench.simulator.script('small', { text: 'In short.' })
    await bench.startWorker()
    const request = { text: 'A long story.', max_words: 20, style: 'plain', focus: 'the end' }
    const spec = await bench.submit({ type: 'summarization', operation: 'summary', model: 'small', request })
    const end = await bench.end(spec.id)
    expect(end.report.result).toEqual({ object: 'summary', model: 'small', summary: 'In short.', parts: 1 })
    expect(end.text).toBe('In short.')
    expect(bench.simulator.stats().models['small']?.calls).toBe(1)
  })

  it('of a longer one maps over its parts, tells its progress, and reduces', async () => {
    bench.simulator.script('small', { text: 'Part.' })
    await bench.startWorker()
    const text = Array.from({ length: 400 }, (_, i) => `Sentence number ${i} tells something.`).join(' ')
    const request = { text, max_words: 40 }
    const spec = await bench.submit({ type: 'summarization', operation: 'summary', model: 'small', request })
    const end = await bench.end(spec.id)
    const { parts, summary } = end.report.result as { parts: number; summary: string }
    expect(parts).toBeGreaterThan(3)
    expect(summary).toBe('Part.')
    const progress = end.entries.filter((entry) => entry.kind === 'p').map((entry) => JSON.parse(entry.payload))
    expect(progress.at(0)).toEqual({ stage: 'map', done: 0, total: parts })
    expect(progress.at(-2)).toEqual({ stage: 'map', done: parts, total: parts })
    expect(progress.at(-1)).toEqual({ stage: 'reduce', done: parts, total: parts })
    expect(bench.simulator.stats().models['small']?.calls).toBe(parts + 1)
    expect(end.report.usage?.promptTokens).toBeGreaterThan(text.length / 8)
  })

  it('fails with the error of the part that failed', async () => {
    bench.simulator.script('small', { next: [{}, { fault: 400 }] })
    await bench.startWorker()
    const text = 'word '.repeat(3_000)
    const spec = await bench.submit({ type: 'summarization', operation: 'summary', model: 'small', request: { text } })
    const end = await bench.end(spec.id)
    expect(end).toMatchObject({ status: 'failed', payload: { error: { code: 'upstream_invalid_request' } } })
  })
})

describe('a failing upstream', () => {
  it('is tried again after an error that may pass, and the attempts are told', async () => {
    bench.simulator.script('chat', { text: 'at last', next: [{ fault: 500 }, { cutAfter: 1 }] })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end.text).toBe('at last')
    expect(kinds(end.entries)).toMatch(/^qsrsmt+rsxmt+d?C$/)
    expect(end.report.attempts.map(({ outcome, error }) => `${outcome} ${error?.code ?? ''}`)).toEqual([
      'retried upstream_error',
      'retried upstream_interrupted',
      'completed ',
    ])
  })

  it('ends the job as failed when its tries are used up', async () => {
    bench.simulator.script('chat', { fault: 500 })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end).toMatchObject({ status: 'failed', payload: { error: { code: 'upstream_error' } } })
    expect(end.report.attempts).toHaveLength(3)
  })

  it('that refuses the request is not asked again', async () => {
    bench.simulator.script('chat', { fault: { status: 400, message: 'no such parameter' } })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end.payload.error).toMatchObject({
      code: 'upstream_invalid_request',
      message: expect.stringContaining('no such'),
    })
    expect(end.report.attempts).toHaveLength(1)
  })

  it('that is busy costs no try', async () => {
    const busy = { fault: { status: 429, retryAfterS: 0 } }
    bench.simulator.script('chat', { text: 'room', next: [busy, busy, busy, busy] })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end.text).toBe('room')
    expect(end.record?.tries).toBe(1)
    expect(end.report.attempts).toHaveLength(5)
  })

  it('hands the job to the next class of its model', async () => {
    bench.simulator.script('down', { fault: 404 })
    bench.simulator.script('up', { text: 'served' })
    await bench.startWorker()
    const spec = await bench.submit({ model: 'group' })
    const end = await bench.end(spec.id)
    expect(end.text).toBe('served')
    expect(end.report.attempts).toMatchObject([
      { hop: 0, class: 'down', outcome: 'fallback' },
      { hop: 1, class: 'cloud', outcome: 'completed' },
    ])
    expect(end.report.class).toBe('cloud')
  })

  it('that stays silent is given up after the time for a first token', async () => {
    bench.simulator.script('chat', { text: 'awake', next: [{ hang: 'before-first-token' }] })
    await bench.startWorker()
    const spec = await bench.submit()
    const end = await bench.end(spec.id)
    expect(end.report.attempts[0]?.error?.code).toBe('upstream_timeout')
    expect(end.text).toBe('awake')
  })
})

describe('the end from outside', () => {
  const slow = { tokens: 10_000, interTokenMs: 20 }

  it('cancels a running job at once, and the call it was paying for', async () => {
    bench.simulator.script('chat', slow)
    await bench.startWorker()
    const spec = await bench.submit()
    await until(async () => ((await bench.tokenLog.read(spec.id, null)) ?? []).length > 3)
    // Told, and not marked: then nobody finds it by looking, which would be later.
    await createCancelBroadcast({ redis: bench.redis, keys: bench.server.keys }).announce(spec.id)
    const end = await bench.end(spec.id)
    expect(end).toMatchObject({ status: 'cancelled', payload: { error: { code: 'job_cancelled' } } })
    await until(() => bench.simulator.stats().models['chat']?.aborted === 1)
  })

  it('cancels a running job though it was away when that was told', async () => {
    bench.simulator.script('chat', slow)
    await bench.startWorker()
    const spec = await bench.submit()
    await until(async () => ((await bench.tokenLog.read(spec.id, null)) ?? []).length > 3)
    // Marked, and nobody told.
    await bench.tokenLog.requestCancel(spec.id)
    expect((await bench.end(spec.id)).status).toBe('cancelled')
    await until(() => bench.simulator.stats().models['chat']?.aborted === 1)
  })

  it('does not start a job that was cancelled while it waited', async () => {
    const spec = await bench.submit()
    await bench.cancel(spec.id)
    await bench.startWorker()
    expect((await bench.end(spec.id)).status).toBe('cancelled')
    expect(bench.simulator.stats().total.calls).toBe(0)
  })

  it('expires a job that does not start, or end, in time', async () => {
    bench.simulator.script('chat', slow)
    const late = await bench.submit({ startBy: Date.now() - 1 })
    await bench.startWorker()
    expect(await bench.end(late.id)).toMatchObject({ status: 'expired', payload: { error: { code: 'job_expired' } } })
    const calls = () => bench.simulator.stats().models['chat']?.calls ?? 0
    // On a busy machine the time may be over before the call has begun.
    for (let forMs = 1_000; calls() === 0; forMs *= 2) {
      const long = await bench.submit({ finishBy: Date.now() + forMs })
      expect((await bench.end(long.id)).status).toBe('expired')
    }
    await until(() => bench.simulator.stats().models['chat']?.aborted === 1)
  })
})

describe('a worker that goes away', () => {
  it('lets running jobs end when it is stopped', async () => {
    bench.simulator.script('chat', { tokens: 20, interTokenMs: 25 })
    const worker = await bench.startWorker()
    const spec = await bench.submit()
    await until(async () => ((await bench.tokenLog.read(spec.id, null)) ?? []).length > 2)
    await worker.quiet()
    await worker.stop()
    const end = await bench.end(spec.id)
    expect(end.status).toBe('completed')
    expect(end.report.attempts).toHaveLength(1)
  })

  it('puts back what does not end in time, without counting a try, and another worker takes it', async () => {
    bench.simulator.script('chat', { text: 'second worker', next: [{ text: 'slow '.repeat(5_000), interTokenMs: 20 }] })
    const worker = await bench.startWorker()
    const spec = await bench.submit()
    await until(async () => ((await bench.tokenLog.read(spec.id, null)) ?? []).length > 2)
    const stopping = worker.stop()
    await bench.startWorker()
    await stopping
    const end = await bench.end(spec.id)
    expect(end.text).toBe('second worker')
    expect(end.record?.tries).toBe(1)
    expect(end.report.attempts).toMatchObject([{ outcome: 'requeued' }, { outcome: 'completed' }])
  })
})

it('serves many jobs at once and ends each once', async () => {
  bench.simulator.script('chat', { tokens: 5, interTokenMs: 2 })
  await bench.startWorker()
  await bench.startWorker()
  const specs = await Promise.all(Array.from({ length: 200 }, () => bench.submit()))
  for (const spec of specs) expect((await bench.end(spec.id)).status).toBe('completed')
  expect(bench.simulator.stats().total.calls).toBe(200)
})

it('refuses to serve a class that is not configured, and says which there are', async () => {
  await expect(bench.startWorker(['nope'])).rejects.toThrow(/class nope.*cloud, down/)
})

it('is on the list while it works', async () => {
  const { createWorkerRegistry } = await import('@inferq/queue')
  const registry = createWorkerRegistry({ redis: bench.redis, keys: bench.server.keys })
  const worker = await bench.startWorker()
  const listed = await until(async () => (await registry.list())[0])
  expect(listed).toMatchObject({ classes: ['cloud', 'down'], state: 'running', pid: process.pid })
  await worker.stop()
  expect(await registry.list()).toEqual([])
})
