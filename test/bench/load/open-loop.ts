import { setTimeout as sleep } from 'node:timers/promises'
import { percentile } from '../measure/statistics.ts'
import { createCaller } from './call.ts'
import { createFaultCounter } from './fault-counter.ts'
import type { LoadResults, LoadTask } from './protocol.ts'

const connections = 512
const leastOpen = 512
/** Requests of the beginning open the connections: their answers are checked, their times are not counted. */
const leadInMs = 300

/**
 * Requests arrive at a fixed rate, whatever becomes of those before. Each one's time counts from the moment it was to
 * be sent: what the load generator or a full pool makes it wait is part of it. Stops sending when as many are open as
 * arrive in a second, since no answer will be in time any more.
 */
export async function runOpenLoop(task: Extract<LoadTask, { kind: 'open-loop' }>): Promise<LoadResults['open-loop']> {
  const { rate, durationMs } = task
  const caller = createCaller(task.endpoint, task.call, connections)
  const faults = createFaultCounter()
  const latencies: number[] = []
  const lateMs: number[] = []
  const leadIn = Math.ceil((rate * leadInMs) / 1000)
  const scheduled = leadIn + Math.max(1, Math.floor((rate * durationMs) / 1000))
  const mostOpen = Math.max(leastOpen, rate)
  const startedAt = performance.now()
  let [sent, open] = [0, 0]
  const answered = Promise.withResolvers<void>()

  const send = async (dueAt: number, counts: boolean): Promise<void> => {
    if (counts) lateMs.push(performance.now() - dueAt)
    open += 1
    const { fault } = await caller.call()
    if (fault !== null) faults.add(fault)
    else if (counts) latencies.push(performance.now() - dueAt)
    open -= 1
    if (open === 0 && hasSent) answered.resolve()
  }
  let hasSent = false
  while (sent < scheduled && open < mostOpen) {
    const due = Math.min(scheduled, 1 + Math.floor(((performance.now() - startedAt) * rate) / 1000))
    for (; sent < due; sent += 1) void send(startedAt + (sent * 1000) / rate, sent >= leadIn)
    await sleep(1)
  }
  hasSent = true
  if (open > 0) await answered.promise
  await caller.close()
  return {
    scheduled: scheduled - leadIn,
    completed: latencies.length,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    faults: faults.counts(),
    overrun: sent < scheduled,
    lateP99Ms: percentile(lateMs, 0.99),
  }
}
