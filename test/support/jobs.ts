import type { JobView } from '@inferq/contracts'
import { createSseReader, type SseEvent, type SseReader, until } from '@inferq/testkit'
import { Client } from 'pg'
import { expect } from 'vitest'
import type { Stack } from './stack.ts'

/** Asynchronous jobs of a stack, as a client sees them through the ingress that `base` names at the time. */
export interface Jobs {
  submit(model: string, request?: object): Promise<JobView>
  get(id: string): Promise<JobView>
  /** One connection; `after` is the last id seen. */
  read(id: string, after?: string): Promise<SseReader>
  /** Everything up to the terminal event, over as many connections as it takes: reads on after the last id seen. */
  follow(id: string, seen?: readonly SseEvent[]): Promise<{ events: readonly SseEvent[]; connections: number }>
}

export function createJobs(stack: Stack, base: () => string): Jobs {
  const headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
  const read: Jobs['read'] = (id, after) =>
    createSseReader(`${base()}/v1/jobs/${id}/events`, {
      headers: { ...headers, ...(after === undefined ? {} : { 'last-event-id': after }) },
    })
  return {
    async submit(model, request = {}) {
      const whole = { model, messages: [{ role: 'user', content: 'Hi' }], ...request }
      const response = await fetch(`${base()}/v1/jobs`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ type: 'completion', request: whole }),
      })
      expect(response.status).toBe(202)
      return (await response.json()) as JobView
    },
    async get(id) {
      const response = await fetch(`${base()}/v1/jobs/${id}`, { headers })
      expect(response.status).toBe(200)
      return (await response.json()) as JobView
    },
    read,
    async follow(id, seen = []) {
      const events = [...seen]
      let connections = 0
      while (!events.some(isTerminal)) {
        // Refused, or let down before it began: a client tries again, here after a moment.
        const reader = await until(() => read(id, events.at(-1)?.id).catch(() => undefined), { everyMs: 100 })
        if (reader.status === 200) await reader.ended
        else expect(reader.status).toBe(503)
        events.push(...reader.events)
        connections++
      }
      return { events, connections }
    },
  }
}

const isTerminal = ({ event }: SseEvent): boolean => /^job\.(completed|failed|cancelled|expired)$/.test(event ?? '')

/** The text that counts: what came after the last reset. */
export function textOf(events: readonly SseEvent[]): string {
  const reset = events.map(({ event }) => event).lastIndexOf('output.reset')
  return events
    .slice(reset + 1)
    .filter(({ event }) => event === 'output.delta')
    .map(({ data }) => (JSON.parse(data) as { text?: string }).text ?? '')
    .join('')
}

/** Every id once and ascending, and one terminal event, which is the last. */
export function expectWholeStream(events: readonly SseEvent[]): void {
  const ids = events.map(({ id }) => id ?? '')
  expect(new Set(ids).size).toBe(ids.length)
  const order = ids.map((id) => id.split('-').map(Number)).map(([attempt = 0, seq = 0]) => attempt * 1e6 + seq)
  expect(order).toEqual([...order].sort((a, b) => a - b))
  expect(events.filter(isTerminal)).toHaveLength(1)
  expect(isTerminal(events.at(-1) as SseEvent)).toBe(true)
}

/** Resolves when no outcome waits to be recorded. */
export async function untilRecorded(stack: Stack): Promise<void> {
  const redis = await stack.redis.connect()
  await until(async () => (await redis.xlen(stack.redis.keys.outcomes())) === 0, {
    timeoutMs: 40_000,
    everyMs: 50,
    what: 'every outcome is recorded',
  })
}

/** Rows of the record of truth; each value of `params` is a text. */
export async function queryRows<Row>(stack: Stack, sql: string, params: readonly unknown[] = []): Promise<Row[]> {
  const client = new Client({ connectionString: stack.databaseUrl })
  await client.connect()
  try {
    return (await client.query(sql, [...params])).rows as Row[]
  } finally {
    await client.end()
  }
}

/** `count` words: a stream that is long enough to do something in. */
export function wordsOf(count: number): string {
  return Array.from({ length: count }, (_, index) => `word${index}`).join(' ')
}
