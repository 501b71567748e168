import { percentile } from '../measure/statistics.ts'
import { createCaller } from './call.ts'
import { createFaultCounter } from './fault-counter.ts'
import type { LoadResults, LoadTask } from './protocol.ts'

/** Every connection sends its next request when the last one is answered, until the time is up. */
export async function runClosedLoop(
  task: Extract<LoadTask, { kind: 'closed-loop' }>,
): Promise<LoadResults['closed-loop']> {
  const caller = createCaller(task.endpoint, task.call, task.connections)
  const faults = createFaultCounter()
  const latencies: number[] = []
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const endsAt = startedAt + task.durationMs

  const loop = async (): Promise<void> => {
    while (performance.now() < endsAt) {
      const { fault, totalMs } = await caller.call()
      if (fault === null) latencies.push(totalMs)
      else faults.add(fault)
    }
  }
  await Promise.all(Array.from({ length: task.connections }, loop))

  const elapsedMs = performance.now() - startedAt
  const cpu = process.cpuUsage(cpuBefore)
  await caller.close()
  return {
    completed: latencies.length,
    elapsedMs,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    faults: faults.counts(),
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  }
}

/** So many requests in closed loop, and nothing kept of each. */
export async function runRequests(task: Extract<LoadTask, { kind: 'requests' }>): Promise<LoadResults['requests']> {
  const caller = createCaller(task.endpoint, task.call, task.connections)
  const faults = createFaultCounter()
  const startedAt = performance.now()
  let [sent, completed] = [0, 0]

  const loop = async (): Promise<void> => {
    while (sent < task.count) {
      sent += 1
      const { fault } = await caller.call()
      if (fault === null) completed += 1
      else faults.add(fault)
    }
  }
  await Promise.all(Array.from({ length: task.connections }, loop))
  await caller.close()
  return { completed, elapsedMs: performance.now() - startedAt, faults: faults.counts() }
}
