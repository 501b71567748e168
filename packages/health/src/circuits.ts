import type { BreakerConfig } from '@inferq/config'
import type { ErrorDetail } from '@inferq/contracts'
import { type Circuit, closedCircuit } from '@inferq/routing'
import { type Clock, createId, withDeadline } from '@inferq/runtime'
import type { CircuitBoard } from './circuit-board.ts'
import type { CircuitScripts } from './circuit-scripts.ts'
import { judgeError } from './judge-error.ts'
import { type LocalCircuit, type LocalSign, nextLocalCircuit } from './local-circuit.ts'
import { createOutbox } from './outbox.ts'
import type { SharedTime } from './shared-time.ts'
import { emptyTally, type ProbeOutcome, type Tally } from './tally.ts'

export interface CircuitsOptions {
  readonly board: CircuitBoard
  readonly scripts: CircuitScripts
  readonly time: SharedTime
  readonly clock: Clock
  readonly config: () => BreakerConfig
  /** How long a probe is taken to be under way without a sign of life of its process. */
  readonly probeLifetimeMs: number
  /** Called by the process that made the transition. `alone`: without Redis, for itself. */
  onTransition(id: string, to: Circuit['state'], facts: { readonly reason?: string; readonly alone: boolean }): void
}

/** The circuits as this process knows them, and its part in moving them on. */
export interface Circuits {
  circuit(id: string): Circuit
  /** Every one that is not closed. */
  notClosed(): ReadonlyMap<string, Circuit>
  admit(id: string, isAlone: boolean): Permission | Promise<Permission>
  /** A call let in by `admit` has succeeded, failed, or ended for reasons of ours. */
  succeeded(id: string, probe: string | undefined): void
  /** `brokenSince`: it had begun to answer, and was under way since then (monotonic, ms). */
  failed(id: string, error: ErrorDetail, probe: string | undefined, brokenSince: number | undefined): void
  abandoned(id: string, probe: string | undefined): void
  reset(id: string): Promise<void>
  /** Tells what waits to be told. Resolves also when Redis does not take it. */
  flush(): Promise<void>
  /** Says that the probes of this process are still under way. */
  renewProbes(): Promise<void>
  /** Reads all circuits. Rejects when Redis does not answer. */
  refresh(): Promise<void>
}

export type Permission =
  /** `probe`: a token, when this call decides about a half-open circuit. */
  | { readonly kind: 'admitted'; readonly probe: string | undefined }
  | { readonly kind: 'open'; readonly until: number; readonly reason: string }

/** How long those who come while a probe is under way are told to wait. */
const probeWaitMs = 500
const skewWaitMs = 20
/** Who asks for a probe waits for Redis no longer than this; then it goes on alone. */
const claimTimeoutMs = 500
/** A call that never tells its end must not keep its deployment shut for ever. */
const maxProbeMs = 15 * 60_000

export function createCircuits(options: CircuitsOptions): Circuits {
  const { board, scripts, time, clock, config, probeLifetimeMs, onTransition } = options
  const local = new Map<string, LocalCircuit>()
  const toldAlone = new Map<string, LocalCircuit['state']>()
  /** Asking Redis for the probe just now. */
  const claiming = new Set<string>()
  /** The probe that this process has, by deployment. */
  const probes = new Map<string, { readonly token: string; readonly claimedAt: number }>()
  /** When a deployment last failed here, until it has succeeded (monotonic, ms). */
  const failedAt = new Map<string, number>()

  /** What it adds to the consecutive ones. One event breaks off all answers that are under way: together they are one. */
  const noteFailure = (id: string, brokenSince: number | undefined): 0 | 1 => {
    const before = failedAt.get(id)
    failedAt.set(id, clock.monotonic())
    return brokenSince !== undefined && before !== undefined && brokenSince < before ? 0 : 1
  }

  const outbox = createOutbox({
    tell: (id, tally) => scripts.tell(id, tally, config()),
    onTold(id, reply, isSettled) {
      board.apply(reply)
      if (isSettled) dropLocal(id)
      if (reply.verdict === 'opened') {
        const { reason } = reply.circuit ?? {}
        onTransition(id, 'open', { ...(reason === undefined ? {} : { reason }), alone: false })
      } else if (reply.verdict === 'closed') {
        onTransition(id, 'closed', { alone: false })
      }
    },
    onRefused: (id) => reportAlone(id),
  })

  /** What this process decided for itself and Redis has not heard; told once for each change. */
  const reportAlone = (id: string): void => {
    const circuit = local.get(id)
    if (circuit === undefined || circuit.state === toldAlone.get(id)) return
    toldAlone.set(id, circuit.state)
    const reason = circuit.state === 'open' ? { reason: circuit.reason } : {}
    onTransition(id, circuit.state, { ...reason, alone: true })
  }

  const dropLocal = (id: string): void => {
    local.delete(id)
    toldAlone.delete(id)
  }

  const underlying = (id: string): LocalCircuit => {
    const known = local.get(id)
    if (known !== undefined) return known
    const record = board.get(id)
    if (record?.retryAt === undefined) return { state: 'closed' }
    const { retryAt, probeAt = retryAt, failedProbes = 0, reason = '', probeUntil = 0 } = record
    return {
      ...{ state: 'open', until: time.toLocal(retryAt), probeAt: time.toLocal(probeAt) },
      ...{ failedProbes, reason, isProbing: time.toLocal(probeUntil) > clock.now() },
    }
  }

  const applyLocally = (id: string, sign: LocalSign): void => {
    const next = nextLocalCircuit(underlying(id), sign, config(), clock.now())
    if (next !== undefined) local.set(id, next)
  }

  const circuit = (id: string): Circuit => {
    if ((local.size === 0 && board.get(id) === undefined) || !config().enabled) return closedCircuit
    const current = underlying(id)
    if (current.state === 'closed') return closedCircuit
    const { until, probeAt, failedProbes, reason } = current
    if (clock.now() >= until) return { state: 'half_open', reason }
    return { state: 'open', until, probeAt, failedProbes, reason }
  }

  const claimProbe = async (id: string, reason: string, isAlone: boolean): Promise<Permission> => {
    const token = createId('probe')
    claiming.add(id)
    try {
      if (!local.has(id)) {
        const reply = await withDeadline(clock, { timeoutMs: claimTimeoutMs, what: 'claiming a probe' }, () =>
          scripts.claim(id, token, probeLifetimeMs, isAlone),
        )
        board.apply(reply)
        if (reply.verdict === 'closed') return { kind: 'admitted', probe: undefined }
        if (reply.verdict !== 'probe') {
          // Redis's clock may be a moment behind what we take it for.
          const isTaken = reply.verdict === 'taken'
          const { retryAt = 0, probeAt = retryAt } = reply.circuit ?? {}
          const openUntil = isTaken ? 0 : time.toLocal(isAlone ? probeAt : retryAt)
          return {
            kind: 'open',
            until: Math.max(openUntil, clock.now() + (isTaken ? probeWaitMs : skewWaitMs)),
            reason,
          }
        }
        onTransition(id, 'half_open', { reason, alone: false })
      } else {
        applyLocally(id, { kind: 'probe-claimed' })
      }
    } catch {
      // Without Redis each process tries for itself.
      applyLocally(id, { kind: 'probe-claimed' })
    } finally {
      claiming.delete(id)
    }
    probes.set(id, { token, claimedAt: clock.monotonic() })
    return { kind: 'admitted', probe: token }
  }

  const probe = (id: string, reason: string, isAlone: boolean): Permission | Promise<Permission> => {
    const state = underlying(id)
    const isProbing = claiming.has(id) || probes.has(id) || (state.state === 'open' && state.isProbing)
    if (isProbing) return { kind: 'open', until: clock.now() + probeWaitMs, reason }
    return claimProbe(id, reason, isAlone)
  }

  const endProbe = (id: string, token: string | undefined, outcome: ProbeOutcome): Pick<Tally, 'probe'> => {
    if (token === undefined) return {}
    if (probes.get(id)?.token === token) probes.delete(id)
    return { probe: { token, outcome } }
  }

  const abandoned = (id: string, probe: string | undefined): void => {
    if (probe === undefined) return
    if (local.has(id)) applyLocally(id, { kind: 'probe-released' })
    outbox.add(id, { ...emptyTally, ...endProbe(id, probe, 'released') })
  }

  return {
    circuit,
    notClosed() {
      const ids = new Set([...local.keys(), ...Array.from(board.entries(), ([id]) => id)])
      const circuits = Array.from(ids, (id) => [id, circuit(id)] as const)
      return new Map(circuits.filter(([, { state }]) => state !== 'closed'))
    },
    admit(id, isAlone) {
      const current = circuit(id)
      switch (current.state) {
        case 'closed':
          return { kind: 'admitted', probe: undefined }
        case 'open': {
          const until = isAlone ? current.probeAt : current.until
          if (clock.now() < until) return { kind: 'open', until, reason: current.reason }
          return probe(id, current.reason, isAlone)
        }
        case 'half_open':
          return probe(id, current.reason, isAlone)
        default:
          return current satisfies never
      }
    },
    succeeded(id, probe) {
      if (!config().enabled && probe === undefined) return
      if (failedAt.size > 0) failedAt.delete(id)
      if (probe !== undefined) applyLocally(id, { kind: 'probe-succeeded' })
      // Only a success that comes after known failures says that they are over: one told late might be older than they.
      const isTroubled = (board.get(id)?.failures ?? 0) > 0 || outbox.untold(id).streak > 0
      outbox.add(id, {
        ...emptyTally,
        calls: 1,
        cleared: probe !== undefined || isTroubled,
        ...endProbe(id, probe, 'succeeded'),
      })
    },
    failed(id, error, probe, brokenSince) {
      if (!config().enabled && probe === undefined) return
      const judgement = judgeError(error)
      const reason = error.code
      switch (judgement.kind) {
        case 'failure': {
          const streak = noteFailure(id, brokenSince)
          const untold = outbox.untold(id)
          const consecutive = (untold.cleared ? 0 : (board.get(id)?.failures ?? 0)) + untold.streak + streak
          applyLocally(id, { kind: 'failure', reason, consecutive, wasProbe: probe !== undefined })
          const tally = { calls: 1, failures: 1, cleared: false, streak, reason }
          outbox.add(id, { ...tally, ...endProbe(id, probe, 'failed') })
          return
        }
        case 'wait': {
          const until = clock.now() + judgement.waitMs
          applyLocally(id, { kind: 'wait', reason, until })
          outbox.add(id, { ...emptyTally, wait: { until, reason }, ...endProbe(id, probe, 'released') })
          return
        }
        case 'neutral':
          abandoned(id, probe)
          return
        default:
          judgement satisfies never
      }
    },
    abandoned,
    async reset(id) {
      const reply = await scripts.reset(id)
      board.apply(reply)
      dropLocal(id)
      if (reply.verdict === 'closed') onTransition(id, 'closed', { reason: 'reset', alone: false })
    },
    flush: () => outbox.flush(),
    async renewProbes() {
      await Promise.all(
        Array.from(probes, async ([id, { token, claimedAt }]) => {
          if (local.has(id)) return
          if (clock.monotonic() - claimedAt > maxProbeMs) {
            probes.delete(id)
            return
          }
          const reply = await scripts.claim(id, token, probeLifetimeMs, true)
          board.apply(reply)
          // It has ended meanwhile, or was taken for lost.
          if (reply.verdict !== 'renewed' && reply.verdict !== 'probe') forget(probes, id, token)
        }),
      )
    },
    async refresh() {
      const askedAt = board.version()
      const sentAt = clock.now()
      const snapshot = await scripts.read()
      time.learn(snapshot.nowMs, sentAt, clock.now())
      board.replace(snapshot, askedAt)
      for (const id of local.keys()) if (outbox.isSettled(id)) dropLocal(id)
    },
  }
}

function forget(probes: Map<string, { readonly token: string }>, id: string, token: string): void {
  if (probes.get(id)?.token === token) probes.delete(id)
}
