import { Pool } from 'undici'
import { percentile } from '../measure/statistics.ts'
import { createFaultCounter } from './fault-counter.ts'
import { prompt } from './prompt.ts'
import type { LoadResults, LoadTask } from './protocol.ts'

const answerTimeoutMs = 30_000

/** Every connection submits its next job when the last one is accepted, until the time is up. */
export async function runSubmitLoop(
  task: Extract<LoadTask, { kind: 'submit-loop' }>,
): Promise<LoadResults['submit-loop']> {
  const { origin, pathname } = new URL(task.endpoint.baseUrl)
  const { connections } = task
  const pool = new Pool(origin, { connections, headersTimeout: answerTimeoutMs, bodyTimeout: answerTimeoutMs })
  const faults = createFaultCounter()
  const latencies: number[] = []
  const request = { model: task.model, messages: [{ role: 'user', content: prompt }] }
  const options = {
    path: `${pathname}/jobs`,
    method: 'POST',
    headers: { ...task.endpoint.headers, 'content-type': 'application/json' },
    body: JSON.stringify({ type: 'completion', request }),
  } as const
  const startedAt = performance.now()
  const endsAt = startedAt + task.durationMs

  const loop = async (): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < endsAt; sentAt = performance.now()) {
      try {
        const { statusCode, body } = await pool.request(options)
        await body.arrayBuffer()
        if (statusCode === 202) latencies.push(performance.now() - sentAt)
        else faults.add(`status ${statusCode}`)
      } catch (thrown) {
        faults.add(thrown instanceof Error ? thrown.message : String(thrown))
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, loop))
  const elapsedMs = performance.now() - startedAt
  await pool.destroy()
  const [p50Ms, p99Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.99)]
  return { completed: latencies.length, elapsedMs, p50Ms, p99Ms, faults: faults.counts() }
}
