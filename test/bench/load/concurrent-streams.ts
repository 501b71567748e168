import { setTimeout as sleep } from 'node:timers/promises'
import { createCaller } from './call.ts'
import { createFaultCounter } from './fault-counter.ts'
import type { LoadResults, LoadTask } from './protocol.ts'

/** So many streams at once for the whole time; each one that ends is followed by another. */
export async function runConcurrentStreams(
  task: Extract<LoadTask, { kind: 'concurrent-streams' }>,
): Promise<LoadResults['concurrent-streams']> {
  const caller = createCaller(task.endpoint, task.call, task.streams)
  const faults = createFaultCounter()
  const firstTokenMs: number[] = []
  const endsAt = performance.now() + task.durationMs
  let running = 0
  let most = 0

  const loop = async (index: number): Promise<void> => {
    await sleep((task.streamMs * index) / task.streams)
    while (performance.now() < endsAt) {
      most = Math.max(most, ++running)
      const outcome = await caller.call()
      running -= 1
      if (outcome.fault === null) firstTokenMs.push(outcome.firstTokenMs)
      else faults.add(outcome.fault)
    }
  }
  await Promise.all(Array.from({ length: task.streams }, (_, index) => loop(index)))
  await caller.close()
  return { firstTokenMs, faults: faults.counts(), most }
}
