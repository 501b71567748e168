import type { Tier } from '@inferq/contracts'

/**
 * Start-time fair queueing (Goyal, Vin, Cheng 1996) of one model class, as one process knows it.
 *
 * Time is virtual: it passes in tokens per weight. Whoever sends jobs is a **flow**: a tenant in a tier. A job's **tag** is
 * the time at which its flow would be served if every flow had its share: the class's clock, or the end of the flow's
 * previous job, whichever is later. The clock is the highest tag that was started, so whoever was away comes back to now,
 * and has neither credit nor debt. Smaller tags go first.
 *
 * Lower tiers have a smaller share, and stand a **lag** behind their tag: what comes in a higher tier within that lag goes
 * first, however much it is; what has waited longer has its share, so nobody starves. The lag of a tier never changes: else a
 * flood that came when it was short would stand before whoever comes later.
 */
export interface ClassClock {
  /** Where a job stands in virtual time; charges its flow for it. */
  place(demand: Demand): number
  /** A job of this tier that stood there was started. */
  started(tier: Tier, at: number): void
  /** A job of this flow took other than was charged for it. */
  correct(demand: Demand, actualTokens: number): void
  /** What other processes have to know; null when there is nothing. Until `sent` or `kept` no other is taken. */
  take(): ClockReport | null
  /** They know; this is what all of them know together. */
  sent(known: SharedClock): void
  /** They could not be told: it stays to be taken. */
  kept(): void
  /** Flows that are not ahead of the clock: nothing has to be known of them. */
  forget(): void
}

export interface Demand {
  readonly tenant: string
  readonly tier: Tier
  /** Share of the tenant among those of its tier: 2 gets twice what 1 gets. */
  readonly weight: number
  /** What it is expected to take: prompt and answer. */
  readonly tokens: number
}

/** What one process has done since its last report. */
export interface ClockReport {
  readonly clock: number
  readonly flows: ReadonlyMap<string, FlowReport>
}

/** `end = max(end, floor) + charge`; without a floor only for a flow that is ahead of the clock, or for a charge above 0. */
export interface FlowReport {
  readonly floor: number | null
  readonly charge: number
}

export interface SharedClock {
  readonly clock: number
  /** Ends of the flows that were reported, and of those that others have changed. */
  readonly ends: ReadonlyMap<string, number>
}

/** What a token costs a flow of a tier: a default flow has four times the share of a flex one, a priority one sixteen times. */
const chargeOfTier: Readonly<Record<Tier, number>> = { priority: 1, default: 4, flex: 16 }
/** Of the clock: what one flow of tier `priority` may be served in the meantime, in tokens by weight. */
const lagOfTier: Readonly<Record<Tier, number>> = { priority: 0, default: 4_000, flex: 64_000 }

interface Flow {
  /** Of the tags given out: where the next job stands at the earliest. */
  end: number
  unsent: FlowReport | undefined
  sending: FlowReport | undefined
}

export function createClassClock(): ClassClock {
  const flows = new Map<string, Flow>()
  let clock = 0
  let unsentClock = false
  let sendingClock = false

  const flowOf = (name: string): Flow => {
    let flow = flows.get(name)
    if (flow === undefined) {
      flow = { end: 0, unsent: undefined, sending: undefined }
      flows.set(name, flow)
    }
    return flow
  }

  return {
    place(demand) {
      const flow = flowOf(flowName(demand))
      const charge = chargeOf(demand, demand.tokens)
      const tag = Math.max(clock, flow.end)
      flow.unsent = add(flow.unsent, { floor: flow.end < clock ? clock : null, charge })
      flow.end = tag + charge
      return tag + lagOfTier[demand.tier]
    },
    started(tier, at) {
      const tag = at - lagOfTier[tier]
      if (tag <= clock) return
      clock = tag
      unsentClock = true
    },
    correct(demand, actualTokens) {
      const charge = chargeOf(demand, actualTokens) - chargeOf(demand, demand.tokens)
      if (charge === 0) return
      const flow = flowOf(flowName(demand))
      flow.unsent = add(flow.unsent, { floor: null, charge })
      if (flow.end > clock || charge > 0) flow.end = Math.max(flow.end, clock) + charge
    },
    take() {
      const reports = new Map<string, FlowReport>()
      for (const [name, flow] of flows) {
        if (flow.unsent === undefined) continue
        reports.set(name, flow.unsent)
        flow.sending = flow.unsent
        flow.unsent = undefined
      }
      if (reports.size === 0 && !unsentClock) return null
      sendingClock = unsentClock
      unsentClock = false
      return { clock, flows: reports }
    },
    sent(known) {
      clock = Math.max(clock, known.clock)
      sendingClock = false
      for (const flow of flows.values()) flow.sending = undefined
      for (const [name, end] of known.ends) {
        if (end <= clock && !flows.has(name)) continue
        const flow = flowOf(name)
        flow.end = flow.unsent === undefined ? end : Math.max(end, flow.unsent.floor ?? 0) + flow.unsent.charge
      }
    },
    kept() {
      unsentClock ||= sendingClock
      sendingClock = false
      for (const flow of flows.values()) {
        flow.unsent = flow.unsent === undefined ? flow.sending : add(flow.sending, flow.unsent)
        flow.sending = undefined
      }
    },
    forget() {
      for (const [name, flow] of flows) {
        if (flow.end <= clock && flow.unsent === undefined && flow.sending === undefined) flows.delete(name)
      }
    },
  }
}

/** One flow of a tenant for each tier: what it sends as flex does not slow what it sends otherwise. */
function flowName({ tier, tenant }: Pick<Demand, 'tier' | 'tenant'>): string {
  return `${tier}:${tenant}`
}

function chargeOf({ tier, weight }: Demand, tokens: number): number {
  return (Math.max(1, tokens) * chargeOfTier[tier]) / Math.max(weight, 0.001)
}

/** A floor says that the clock has passed the flow: what was charged before is history. */
function add(earlier: FlowReport | undefined, later: FlowReport): FlowReport {
  if (earlier === undefined || later.floor !== null) return later
  return { floor: earlier.floor, charge: earlier.charge + later.charge }
}
