import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createBufferedDestination, createLogger, type LogDestination } from '../src/index.ts'

interface Captured extends LogDestination {
  readonly lines: string[]
  last(): Record<string, unknown>
}

function captureLines(): Captured {
  const lines: string[] = []
  return { lines, write: (line) => lines.push(line), last: () => JSON.parse(lines.at(-1) ?? '{}') }
}

test('writes one JSON object a line with level, time, service, facts and event', () => {
  const destination = captureLines()
  createLogger({ service: 'worker', destination }).info({ jobId: 'job_1', latencyMs: 12 }, 'job-end')
  expect(destination.lines).toHaveLength(1)
  expect(destination.lines[0]?.endsWith('\n')).toBe(true)
  expect(destination.last()).toMatchObject({
    level: 'info',
    service: 'worker',
    jobId: 'job_1',
    latencyMs: 12,
    event: 'job-end',
  })
  expect(destination.last()['time']).toBeTypeOf('number')
})

test('hides credentials, prompts and completions at the top and one level down, and leaves counts', () => {
  const destination = captureLines()
  const log = createLogger({ service: 'ingress', destination })
  const fields = {
    prompt: 'the prompt said',
    output: 150,
    headers: { authorization: 'Bearer sk-one', 'x-api-key': 'sk-two', accept: 'text/plain' },
    messages: [{ role: 'user', content: 'hello there' }],
  }
  log.info(fields, 'request')
  const line = destination.lines[0] ?? ''
  for (const secret of ['the prompt said', 'sk-one', 'sk-two', 'hello there']) expect(line).not.toContain(secret)
  expect(destination.last()).toMatchObject({
    output: 150,
    headers: { accept: 'text/plain', authorization: '[redacted]' },
  })
  expect(fields.headers.authorization).toBe('Bearer sk-one')
})

test('hides them in the facts of a child logger too', () => {
  const destination = captureLines()
  createLogger({ service: 'ingress', destination }).child({ component: 'auth', apiKey: 'sk-three' }).warn({}, 'denied')
  expect(destination.last()).toMatchObject({ component: 'auth', apiKey: '[redacted]', level: 'warn' })
})

test('keeps the code, stack and cause of an error', () => {
  const destination = captureLines()
  const error = Object.assign(new Error('no route', { cause: new Error('refused') }), { code: 'upstream_unreachable' })
  createLogger({ service: 'worker', destination }).error({ error }, 'attempt-failed')
  expect(destination.last()['error']).toMatchObject({
    message: 'no route',
    code: 'upstream_unreachable',
    cause: { message: 'refused' },
  })
})

test('writes a line of what JSON has no words for', () => {
  const destination = captureLines()
  const circle: Record<string, unknown> = { name: 'round' }
  circle['self'] = circle
  const log = createLogger({ service: 'worker', destination })
  log.info({ circle, bytes: 10n, jobId: 'job_1', latencyMs: Number.NaN, unknown: undefined }, 'odd')
  expect(destination.last()).toMatchObject({ jobId: 'job_1', latencyMs: null, bytes: '10n', event: 'odd' })
  expect(destination.last()['circle']).toContain('round')
  expect(destination.last()).not.toHaveProperty('unknown')
})

test('drops lines below its level and says so beforehand', () => {
  const destination = captureLines()
  const log = createLogger({ service: 'worker', level: 'warn', destination })
  log.info({}, 'quiet')
  expect(destination.lines).toHaveLength(0)
  expect([log.isEnabled('info'), log.isEnabled('error')]).toEqual([false, true])
})

test('writes lines for people when pretty', () => {
  const destination = captureLines()
  createLogger({ service: 'worker', pretty: true, destination }).warn(
    { jobId: 'job_1', why: 'no room here' },
    'requeue',
  )
  expect(destination.lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} ! worker requeue jobId=job_1 why="no room here"\n$/)
})

test('a buffered destination has every line in the file after a flush', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'inferq-log-'))
  try {
    const path = join(dir, 'out.log')
    const log = createLogger({ service: 'worker', destination: createBufferedDestination(path) })
    for (let line = 0; line < 500; line++) log.info({ line }, 'tick')
    await log.flush()
    expect(readFileSync(path, 'utf8').trim().split('\n')).toHaveLength(500)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
