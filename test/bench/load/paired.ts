import { createRandom, shuffled } from '../measure/statistics.ts'
import { type Caller, createCaller, type Outcome } from './call.ts'
import { createFaultCounter } from './fault-counter.ts'
import type { LoadResults, LoadTask } from './protocol.ts'

/**
 * One call after the other: each round asks every endpoint once, in an order drawn anew, so that what the machine does
 * meanwhile meets all of them alike. A round in which one of them failed is left out, and counted.
 */
export async function runPaired(task: Extract<LoadTask, { kind: 'paired' }>): Promise<LoadResults['paired']> {
  const random = createRandom(task.seed)
  const faults = createFaultCounter()
  const callers = task.endpoints.map((endpoint) => ({
    name: endpoint.name,
    caller: createCaller(endpoint, task.call, 1),
  }))
  const totalMs: Record<string, number[]> = Object.fromEntries(callers.map(({ name }) => [name, []]))
  const firstTokenMs: Record<string, number[]> = Object.fromEntries(callers.map(({ name }) => [name, []]))

  for (let round = 0; round < task.rounds; round += 1) {
    const outcomes = await callEach(shuffled(callers, random))
    for (const [name, { fault }] of outcomes) if (fault !== null) faults.add(`${name}: ${fault}`)
    if (outcomes.some(([, { fault }]) => fault !== null)) continue
    for (const [name, outcome] of outcomes) {
      totalMs[name]?.push(outcome.totalMs)
      firstTokenMs[name]?.push(outcome.firstTokenMs)
    }
  }
  await Promise.all(callers.map(({ caller }) => caller.close()))
  return { totalMs, firstTokenMs, faults: faults.counts() }
}

async function callEach(
  callers: readonly { readonly name: string; readonly caller: Caller }[],
): Promise<(readonly [string, Outcome])[]> {
  const outcomes: (readonly [string, Outcome])[] = []
  for (const { name, caller } of callers) outcomes.push([name, await caller.call()])
  return outcomes
}
