import { setTimeout as sleep } from 'node:timers/promises'
import { percentilesOf } from '../measure/statistics.ts'
import { createCaller } from './call.ts'
import { createFaultCounter } from './fault-counter.ts'
import type { LoadResults, LoadTask } from './protocol.ts'
import { countBursts, nowSince1970Ms, readStamps, type StampedToken, withoutStamps } from './stamps.ts'

/** So many streams at once for the whole time, and how long each of their tokens was on its way. */
export async function runStampedStreams(
  task: Extract<LoadTask, { kind: 'stamped-streams' }>,
): Promise<LoadResults['stamped-streams']> {
  const caller = createCaller(task.endpoint, task.call, task.streams)
  const faults = createFaultCounter()
  const firstTokenMs: number[] = []
  const delayMs: number[] = []
  let [apart, together, running, most] = [0, 0, 0, 0]
  const endsAt = performance.now() + task.durationMs

  const stream = async (): Promise<void> => {
    const tokens: StampedToken[] = []
    const outcome = await caller.call((piece) => {
      const arrivedAtMs = nowSince1970Ms()
      for (const emittedAtMs of readStamps(piece)) tokens.push({ emittedAtMs, arrivedAtMs })
      return withoutStamps(piece)
    })
    const fault = outcome.fault ?? (tokens.length === task.call.expected.tokens ? null : 'a token without its stamp')
    if (fault !== null) {
      faults.add(fault)
      return
    }
    firstTokenMs.push(outcome.firstTokenMs)
    for (const { emittedAtMs, arrivedAtMs } of tokens) delayMs.push(arrivedAtMs - emittedAtMs)
    const bursts = countBursts(tokens)
    apart += bursts.apart
    together += bursts.together
  }
  const loop = async (index: number): Promise<void> => {
    await sleep((task.streamMs * index) / task.streams)
    while (performance.now() < endsAt) {
      most = Math.max(most, ++running)
      await stream()
      running -= 1
    }
  }
  await Promise.all(Array.from({ length: task.streams }, (_, index) => loop(index)))
  await caller.close()
  return {
    completed: firstTokenMs.length,
    firstTokenMs: percentilesOf(firstTokenMs),
    delayMs: percentilesOf(delayMs),
    tokens: delayMs.length,
    burstShare: together / apart,
    faults: faults.counts(),
    most,
  }
}
