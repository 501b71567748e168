import { Pool } from 'undici'
import { createRandom } from '../measure/statistics.ts'
import { askAsReader, askAsSdk } from './fault-client.ts'
import type { FaultedRequest, LoadResults, LoadTask } from './protocol.ts'
import { nowSince1970Ms } from './stamps.ts'

/** An answer that takes longer, or is silent for longer, is counted as lost. */
const answerTimeoutMs = 60_000

/** Clients with one request at a time, each followed by another until the time is up; then the last ones end. */
export async function runFaultLoad(
  task: Extract<LoadTask, { kind: 'fault-load' }>,
): Promise<LoadResults['fault-load']> {
  const { endpoint, call, clients, durationMs } = task
  const pool = new Pool(new URL(endpoint.baseUrl).origin, {
    connections: clients,
    pipelining: 1,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: answerTimeoutMs,
  })
  const ask = task.client === 'sdk' ? askAsSdk : askAsReader
  const random = createRandom(5)
  const requests: FaultedRequest[] = []
  const endsAt = performance.now() + durationMs

  const loop = async (): Promise<number[]> => {
    const arrivals: number[] = []
    const onText = (): void => void arrivals.push(nowSince1970Ms())
    while (performance.now() < endsAt) requests.push(await ask({ pool, endpoint, call, random, onText }))
    return arrivals
  }
  const arrivals = await Promise.all(Array.from({ length: clients }, loop))
  await pool.destroy()
  return { requests, arrivals }
}
