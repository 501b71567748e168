import type { Operation } from '@inferq/contracts'
import { createValidation, parseJsonBody, requestFault } from '@inferq/ingress'
import { percentilesOf } from './measure/statistics.ts'
import { formatNumber, formatTable } from './report/format.ts'

/** What it may take to check a chat of 32 KB, once it is parsed. */
const targetMicroseconds = 300
const warmUpRounds = 500
const rounds = 3_000

/**
 * Times the way of a body from its bytes to an accepted request: `JSON.parse` alone (nobody can do without), what else is
 * done to read it, and the checks of its fields. Bad bodies are refused at their first fault.
 */
export function benchValidation(): string {
  const validation = createValidation()
  const rows = bodies().map(([name, operation, body]) => {
    const bytes = Buffer.from(JSON.stringify(body))
    const parse = time(() => JSON.parse(bytes.toString()))
    const read = time(() => parseJsonBody(bytes))
    const parsed = parseJsonBody(bytes)
    const check = time(() => {
      try {
        validation.check(operation, parsed, '')
        return requestFault(operation, parsed as Readonly<Record<string, unknown>>, { mayStream: false, prefix: '' })
      } catch (refused) {
        return refused
      }
    })
    return [
      name,
      formatNumber(bytes.length),
      formatNumber(parse.p50),
      formatNumber(read.p50),
      formatNumber(check.p50),
      formatNumber(check.p99),
      check.p50 <= targetMicroseconds ? 'yes' : 'NO',
    ]
  })
  const head = [
    'body',
    'bytes',
    'parse µs',
    'read µs',
    'check p50 µs',
    'check p99 µs',
    `p50 ≤ ${targetMicroseconds} µs`,
  ]
  return `${rounds} rounds each; "read" holds "parse"\n\n${formatTable(head, rows)}`
}

function time(run: () => unknown): { readonly p50: number; readonly p99: number } {
  for (let round = 0; round < warmUpRounds; round += 1) run()
  const times = new Array<number>(rounds)
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = process.hrtime.bigint()
    run()
    times[round] = Number(process.hrtime.bigint() - startedAt) / 1000
  }
  return percentilesOf(times)
}

function bodies(): readonly (readonly [name: string, operation: Operation, body: object])[] {
  const text = (length: number): string => 'The quick brown fox. '.repeat(Math.ceil(length / 21)).slice(0, length)
  const turns = (count: number, length: number): object[] =>
    Array.from({ length: count }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: text(length) }))
  const call = { id: 'call_1', type: 'function', function: { name: 'lookup', arguments: '{"q":"x"}' } }
  const agent = Array.from({ length: 60 }, () => [
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: text(120) }] },
  ]).flat()
  const tools = Array.from({ length: 20 }, (_, i) => ({
    type: 'function',
    function: {
      name: `tool_${i}`,
      description: text(200),
      parameters: { type: 'object', properties: { q: { type: 'string', description: text(60) } }, required: ['q'] },
    },
  }))
  const hi = turns(1, 10)
  const bad = [...turns(60, 500), { role: 'user', content: [{ type: 'image_url', image_url: { url: 5 } }] }]
  return [
    ['a chat of one line', 'chat', { model: 'm', messages: hi }],
    ['a chat of 32 KB, 60 messages', 'chat', { model: 'm', messages: turns(60, 500), temperature: 1, stream: true }],
    ['a chat of 32 KB, one message', 'chat', { model: 'm', messages: turns(1, 32_000) }],
    ['an agent: 120 messages, 20 tools', 'chat', { model: 'm', messages: [...hi, ...agent], tools }],
    ['a chat of 32 KB, wrong at its end', 'chat', { model: 'm', messages: bad }],
    ['a chat of 2 MB, one message', 'chat', { model: 'm', messages: turns(1, 2_000_000) }],
    ['2,048 inputs', 'embeddings', { model: 'm', input: Array.from({ length: 2048 }, () => text(60)) }],
    ['8,192 tokens', 'embeddings', { model: 'm', input: Array.from({ length: 8192 }, (_, i) => i) }],
  ]
}
