import type { Tier } from '@inferq/contracts'
import type { Placing } from '../src/index.ts'

const atOfTier: Readonly<Record<Tier, number>> = { priority: 0, default: 1_000, flex: 2_000 }

/** By tier, then by arrival; numbered from `base`, which a test may move. */
export function createTestPlacing(): Placing & { base: number; readonly gone: unknown[] } {
  const placing = {
    base: 0,
    /** Who left before anybody took them. */
    gone: [] as unknown[],
    ready: () => undefined,
    left: (modelClass: string, demand: object) => void placing.gone.push({ modelClass, ...demand }),
    placeOf: (_: string, at: number) => Math.max(1, 1 + at - placing.base),
    place(modelClass: string, { tier }: { readonly tier: Tier }) {
      const at = atOfTier[tier]
      return { at, place: placing.placeOf(modelClass, at) }
    },
  }
  return placing
}

export const share = { tenant: 'acme', weight: 1, tokens: 100 }
