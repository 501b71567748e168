import { setTimeout as sleep } from 'node:timers/promises'
import { createFaultCounter } from '../load/fault-counter.ts'
import type { FaultClient, FaultedRequest, Faults } from '../load/protocol.ts'
import { nowSince1970Ms } from '../load/stamps.ts'
import type { FaultRun } from '../report/cell-results.ts'
import { models } from '../targets/models.ts'
import { readUpstream } from '../targets/simulator.ts'
import type { Target } from '../targets/target.ts'
import type { Cell, CellContext } from './cell.ts'
import { createFaults, type Fault } from './fault-kinds.ts'
import { longestSilenceMs, recoveryMs } from './recovery.ts'

const clients = 16
/** Of steady load, before the fault. */
const leadInMs = 2_000
/** A stalled lock, a slow start, the last streams: beside the load itself. */
const aroundSeconds = 8
const settleTimeoutMs = 30_000

/** Faults under a steady load of streams: what clients lose, what the upstream does twice, how long it takes. */
export function createFaultsCell(name: string): Cell {
  return {
    name,
    seconds: (extent, targets) => (4 * targets + 6) * (extent.faultLoadMs / 1000 + aroundSeconds),
    async run(context) {
      const runs: FaultRun[] = []
      for (const target of context.targets) {
        for (const fault of createFaults(target, context.simulator)) {
          // The reader's way is inferq's own; everybody is measured with the SDK's.
          for (const client of target === context.inferq ? (['sdk', 'reader'] as const) : (['sdk'] as const)) {
            const run = await underFault(context, target, fault, client)
            const lost = total(run.refused) + total(run.broken)
            context.progress(`${name} ${target.name} ${fault.name} (${client}): ${lost} of ${run.requests} lost`)
            runs.push(run)
          }
        }
      }
      return { kind: 'faults', name, clients, faults: {}, runs }
    },
  }
}

async function underFault(context: CellContext, target: Target, fault: Fault, client: FaultClient): Promise<FaultRun> {
  const { load, extent, simulator } = context
  const call = context.call(models.faulty, true)
  await settle(context, target)
  const before = await readUpstream(simulator, models.faulty)
  const durationMs = leadInMs + extent.faultLoadMs
  const task = { kind: 'fault-load', endpoint: target.endpoint, call, client, clients, durationMs } as const
  const loaded = load.run<'fault-load'>(task)
  await sleep(leadInMs)
  const faultAtMs = nowSince1970Ms()
  const loadEndsAtMs = faultAtMs + extent.faultLoadMs
  const restarted = await fault.inject().then(
    () => (fault.restarts ? nowSince1970Ms() - faultAtMs : null),
    (thrown: unknown) => {
      context.progress(`${target.name} ${fault.name}: ${thrown instanceof Error ? thrown.message : thrown}`)
      return null
    },
  )
  const { requests, arrivals } = await loaded
  const after = await readUpstream(simulator, models.faulty)
  const begun = requests.filter((request) => request.begun).length
  const right = requests.filter((request) => request.lost === null).length
  return {
    target: target.name,
    fault: fault.name,
    client,
    requests: requests.length,
    refused: countLost(requests.filter((request) => !request.begun)),
    broken: countLost(requests.filter((request) => request.begun)),
    resumed: requests.reduce((sum, request) => sum + request.resumed, 0),
    extraCalls: after.calls - before.calls - begun,
    extraTokens: after.generatedTokens - before.generatedTokens - right * call.expected.tokens,
    recoverMs: recoveryMs(arrivals, faultAtMs, loadEndsAtMs),
    silenceMs: longestSilenceMs(arrivals, faultAtMs, loadEndsAtMs),
    restartMs: restarted,
  }
}

/** Until the target answers rightly and the upstream has nothing left to do. */
async function settle({ load, simulator, call }: CellContext, { endpoint }: Target): Promise<void> {
  const endsAt = performance.now() + settleTimeoutMs
  const task = { kind: 'requests', endpoint, call: call(models.faulty, true), connections: 4, count: 8 } as const
  for (;;) {
    const { faults } = await load.run<'requests'>(task)
    const { running, waiting } = await readUpstream(simulator, models.faulty)
    if ((total(faults) === 0 && running + waiting === 0) || performance.now() > endsAt) return
    await sleep(500)
  }
}

function countLost(requests: readonly FaultedRequest[]): Faults {
  const counter = createFaultCounter()
  for (const { lost } of requests) if (lost !== null) counter.add(lost)
  return counter.counts()
}

function total(faults: Faults): number {
  return Object.values(faults).reduce((sum, count) => sum + count, 0)
}
