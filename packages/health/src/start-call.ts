import type { Clock } from '@inferq/runtime'
import type { Circuits } from './circuits.ts'
import type { CallReport } from './port.ts'
import type { SharedTime } from './shared-time.ts'
import type { Traffic } from './traffic.ts'

interface CallKeeping {
  readonly circuits: Circuits
  readonly traffic: Traffic
  readonly time: SharedTime
  readonly clock: Pick<Clock, 'monotonic'>
}

/** Counts a call that was let in, and gives what its end is told to. `probe`: it decides about a half-open circuit. */
export function startCall(
  { circuits, traffic, time, clock }: CallKeeping,
  id: string,
  probe: string | undefined,
): CallReport {
  let token = probe
  let hasLatency = false
  let hasEnded = false
  const startedAt = clock.monotonic()
  const end = (): boolean => {
    if (hasEnded) return false
    hasEnded = true
    traffic.ended(id, time.nowMs())
    return true
  }
  const onLatency = (latencyMs: number | undefined): void => {
    if (latencyMs === undefined || hasLatency) return
    hasLatency = true
    traffic.firstToken(id, latencyMs)
  }
  traffic.started(id, time.nowMs())
  return {
    responded(latencyMs) {
      if (hasEnded) return
      onLatency(latencyMs)
      if (token === undefined) return
      circuits.succeeded(id, token)
      token = undefined
    },
    succeeded({ latencyMs, tokens }) {
      if (!end()) return
      onLatency(latencyMs)
      traffic.tokens(id, tokens, time.nowMs())
      circuits.succeeded(id, token)
    },
    failed(error) {
      if (end()) circuits.failed(id, error, token, hasLatency ? startedAt : undefined)
    },
    abandoned() {
      if (end()) circuits.abandoned(id, token)
    },
  }
}
