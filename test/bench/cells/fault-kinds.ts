import { setTimeout as sleep } from 'node:timers/promises'
import { models } from '../targets/models.ts'
import { patchModel, type UpstreamSimulator } from '../targets/simulator.ts'
import type { Target } from '../targets/target.ts'

export interface Fault {
  readonly name: string
  /** It kills something and starts it again. */
  readonly restarts: boolean
  /** Lets it happen; resolves when it is over: started again, or running on. */
  inject(): Promise<void>
}

const stallMs = 2_000
const refusalMs = 2_000
const cutCalls = 4
/** Half of the answer. */
const cutAfterTokens = 20

/** What happens to a target: each part of it killed, then what the upstream does to everybody. */
export function createFaults(target: Target, simulator: UpstreamSimulator): Fault[] {
  const kills = (target.parts ?? []).map(({ label, kill, restart }) => ({
    name: `kill ${label}`,
    restarts: true,
    async inject() {
      await kill()
      await restart()
    },
  }))
  return [...kills, createStall(simulator), createRefusal(simulator), createCut(simulator)]
}

/** The upstream stops for two seconds, all its streams with it. */
function createStall({ pid }: UpstreamSimulator): Fault {
  return {
    name: 'upstream stalls 2 s',
    restarts: false,
    async inject() {
      process.kill(pid, 'SIGSTOP')
      try {
        await sleep(stallMs)
      } finally {
        process.kill(pid, 'SIGCONT')
      }
    },
  }
}

/** The upstream answers every new call with an error for two seconds, as one does that is started again behind a proxy. */
function createRefusal(simulator: UpstreamSimulator): Fault {
  return {
    name: 'upstream answers 500 for 2 s',
    restarts: false,
    async inject() {
      await patchModel(simulator, models.faulty, { fault: { status: 500 } })
      try {
        await sleep(refusalMs)
      } finally {
        await patchModel(simulator, models.faulty, { fault: null })
      }
    },
  }
}

/** The upstream breaks the connection of the next four streams in their middle. */
function createCut(simulator: UpstreamSimulator): Fault {
  const next = Array.from({ length: cutCalls }, () => ({ cutAfter: cutAfterTokens }))
  return {
    name: `upstream cuts ${cutCalls} streams`,
    restarts: false,
    inject: () => patchModel(simulator, models.faulty, { next }),
  }
}
