import { setTimeout as sleep } from 'node:timers/promises'
import type { Endpoint } from './load/protocol.ts'
import { readProcesses, resetPeaks } from './measure/processes.ts'
import { median } from './measure/statistics.ts'
import { formatNumber, formatTable } from './report/format.ts'
import { type Workplace, withSession } from './session.ts'
import { startInferq } from './targets/inferq.ts'
import { models } from './targets/models.ts'

/** What is promised: issue of the whole OpenAI surface. */
const targets = { acceptedSeconds: 10, worseShare: 0.2 }

const lineCount = 50_000
const connections = 4
const roundMs = 6_000
const rounds = 4
const endpoint = '/v1/chat/completions'

interface BatchView {
  readonly id: string
  readonly status: string
  readonly request_counts: { readonly total: number; readonly completed: number }
}

/**
 * How long 50,000 lines take from the POST of their batch to the first of them running, what memory that takes, and what
 * a batch does to interactive requests: rounds of the same load with and without one that runs, in turns.
 */
export async function benchBatch(workplace: Workplace): Promise<string> {
  return withSession(workplace, async (session) => {
    workplace.progress('starting inferq')
    const { root } = workplace
    const target = await startInferq({ ...session.surroundings, root })
    session.defer(target.stop)
    const { baseUrl, headers } = target.endpoint
    const api = createApi(baseUrl, headers ?? {})

    const load = (): Promise<Reading> =>
      session.load.run({
        ...{ kind: 'closed-loop', endpoint: target.endpoint, call: session.call(models.after50ms, true) },
        ...{ connections, durationMs: roundMs },
      })
    workplace.progress('warming up')
    await load()

    workplace.progress(`uploading ${lineCount} lines`)
    const text = inputOf(models.slow)
    const input = await api.upload(text)
    resetPeaks(target.processes)
    const before = readProcesses(target.processes)
    workplace.progress('submitting')
    const postedAt = performance.now()
    const first = await api.create(input)
    const answeredMs = performance.now() - postedAt
    const runs = await api.until(first.id, (batch) => batch.status !== 'validating')
    const acceptedSeconds = (performance.now() - postedAt) / 1000
    if (runs.status !== 'in_progress') throw new Error(`the batch is ${runs.status}`)
    const after = readProcesses(target.processes)
    await api.cancel(first.id)
    await api.until(first.id, (batch) => batch.status === 'cancelled')

    const results = { without: [] as Reading[], with: [] as Reading[], during: [] as Reading[] }
    for (let round = 1; round <= rounds; round++) {
      workplace.progress(`round ${round} of ${rounds}, without a batch`)
      results.without.push(await load())
      workplace.progress(`round ${round} of ${rounds}, while a batch is read`)
      const posted = api.create(input)
      results.during.push(await load())
      const { id } = await posted
      await api.until(id, (batch) => batch.status === 'in_progress' && batch.request_counts.completed > 0)
      workplace.progress(`round ${round} of ${rounds}, while a batch runs`)
      results.with.push(await load())
      await api.cancel(id)
      await api.until(id, (batch) => batch.status === 'cancelled')
    }
    return report({ answeredMs, acceptedSeconds, bytes: text.length, before, after, ...results })
  })
}

interface Reading {
  readonly p50Ms: number
  readonly p99Ms: number
}

function inputOf(model: string): string {
  const lines: string[] = []
  for (let index = 0; index < lineCount; index++) {
    const content = `Line ${index}: ${'The quick brown fox jumps over the lazy dog. '.repeat(4)}`
    const body = { model, messages: [{ role: 'user', content }], max_tokens: 200 }
    lines.push(JSON.stringify({ custom_id: `line-${index}`, method: 'POST', url: endpoint, body }))
  }
  return lines.join('\n')
}

function createApi(baseUrl: string, headers: NonNullable<Endpoint['headers']>) {
  const ask = async (path: string, init: RequestInit = {}): Promise<BatchView> => {
    const response = await fetch(`${baseUrl}${path}`, { ...init, headers: { ...headers, ...init.headers } })
    const body = (await response.json()) as BatchView
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(body)}`)
    return body
  }
  return {
    async upload(text: string): Promise<string> {
      const form = new FormData()
      form.set('purpose', 'batch')
      form.set('file', new Blob([text]), 'bench.jsonl')
      return (await ask('/files', { method: 'POST', body: form })).id
    },
    create: (input: string) =>
      ask('/batches', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ input_file_id: input, endpoint, completion_window: '24h' }),
      }),
    cancel: (id: string) => ask(`/batches/${id}/cancel`, { method: 'POST' }),
    async until(id: string, isThere: (batch: BatchView) => boolean): Promise<BatchView> {
      const endsAt = performance.now() + 120_000
      while (performance.now() < endsAt) {
        const batch = await ask(`/batches/${id}`)
        if (isThere(batch) || batch.status === 'failed') return batch
        await sleep(20)
      }
      throw new Error(`the batch ${id} did not get there`)
    },
  }
}

function report(measured: {
  readonly answeredMs: number
  readonly acceptedSeconds: number
  readonly bytes: number
  readonly before: ReturnType<typeof readProcesses>
  readonly after: ReturnType<typeof readProcesses>
  readonly without: readonly Reading[]
  readonly during: readonly Reading[]
  readonly with: readonly Reading[]
}): string {
  const { answeredMs, acceptedSeconds, bytes, before, after } = measured
  const megabytes = (value: number | undefined): string => formatNumber((value ?? Number.NaN) / 1024 / 1024)
  const accepted = `${lineCount} lines (${megabytes(bytes)} MB): answered after ${formatNumber(answeredMs)} ms, running after ${formatNumber(acceptedSeconds)} s (target ${targets.acceptedSeconds} s: ${acceptedSeconds <= targets.acceptedSeconds ? 'yes' : 'NO'})`
  const memory = formatTable(
    ['process', 'MB before', 'MB at most meanwhile'],
    after.map(({ label, peakRssBytes }, place) => [label, megabytes(before[place]?.rssBytes), megabytes(peakRssBytes)]),
  )
  const p99 = (readings: readonly Reading[]): number => median(readings.map((reading) => reading.p99Ms))
  const p50 = (readings: readonly Reading[]): number => median(readings.map((reading) => reading.p50Ms))
  const base = p99(measured.without)
  const rows = (
    [
      ['no batch', measured.without],
      ['a batch is read', measured.during],
      ['a batch runs', measured.with],
    ] as const
  ).map(([name, readings]) => {
    const share = p99(readings) / base - 1
    const judged = readings === measured.without ? '' : share <= targets.worseShare ? 'yes' : 'NO'
    return [name, formatNumber(p50(readings)), formatNumber(p99(readings)), formatNumber(100 * share), judged]
  })
  const goal = `≤ ${100 * targets.worseShare} % worse`
  const pace = formatTable(['interactive, while', 'p50 ms', 'p99 ms', 'p99 % worse', goal], rows)
  const title = `${connections} connections, streamed answers of ${models.after50ms}, the batch's of ${models.slow}, ${rounds} rounds of ${roundMs / 1000} s each, medians`
  return `${accepted}\n\n${memory}\n\n${title}\n\n${pace}`
}
