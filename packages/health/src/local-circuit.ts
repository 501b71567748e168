import { probePace } from './probe-pace.ts'

/**
 * A circuit as this process sees it by itself, laid over what Redis said: from a call's end until Redis has answered
 * with the truth, and for as long as Redis is away. Its rule is the simple half of scripts/tell.lua: consecutive failures,
 * a probe's end, a time to be left alone; no rate, and cooldowns that do not grow.
 */
export type LocalCircuit =
  | { readonly state: 'closed' }
  /** Half open after `until`, for a call that has nowhere else to go after `probeAt` (ms since the epoch, by our clock). */
  | {
      readonly state: 'open'
      readonly until: number
      readonly probeAt: number
      readonly failedProbes: number
      readonly reason: string
      readonly isProbing: boolean
    }

/** What the calls of this process have shown. */
export type LocalSign =
  | { readonly kind: 'failure'; readonly reason: string; readonly consecutive: number; readonly wasProbe: boolean }
  | { readonly kind: 'wait'; readonly reason: string; readonly until: number }
  | { readonly kind: 'probe-succeeded' }
  | { readonly kind: 'probe-released' }
  | { readonly kind: 'probe-claimed' }

/** The next state; undefined leaves what was there. */
export function nextLocalCircuit(
  current: LocalCircuit,
  sign: LocalSign,
  rule: { readonly allowedFails: number; readonly cooldownSeconds: number },
  now: number,
): LocalCircuit | undefined {
  switch (sign.kind) {
    case 'failure': {
      const opens = sign.wasProbe || (current.state === 'closed' && sign.consecutive >= Math.max(1, rule.allowedFails))
      if (!opens) return undefined
      const cooldownMs = rule.cooldownSeconds * 1_000
      const failedProbes = current.state === 'open' ? current.failedProbes + 1 : 0
      const probeInMs = Math.min(probePace.firstMs * 2 ** failedProbes, probePace.longestMs, cooldownMs)
      return {
        ...{ state: 'open', until: now + cooldownMs, probeAt: now + probeInMs },
        ...{ failedProbes, reason: sign.reason, isProbing: false },
      }
    }
    case 'wait':
      if (current.state === 'open' && current.until >= sign.until) return undefined
      return {
        ...{ state: 'open', until: sign.until, probeAt: sign.until },
        ...{ failedProbes: current.state === 'open' ? current.failedProbes : 0, reason: sign.reason, isProbing: false },
      }
    case 'probe-succeeded':
      return { state: 'closed' }
    case 'probe-released':
      return current.state === 'open' ? { ...current, isProbing: false } : undefined
    case 'probe-claimed':
      return current.state === 'open' ? { ...current, isProbing: true } : undefined
    default:
      return sign satisfies never
  }
}
