import type { Clock } from '@inferq/runtime'

/** Texts by key, the latest of them, and none that was set too long ago. */
export interface Recent {
  set(key: string, value: string): void
  get(key: string): string | undefined
}

export interface RecentOptions {
  readonly most: number
  readonly lifetimeMs: number
  readonly clock: Pick<Clock, 'monotonic'>
}

export function createRecent({ most, lifetimeMs, clock }: RecentOptions): Recent {
  /** The oldest first. */
  const entries = new Map<string, { readonly value: string; readonly until: number }>()
  return {
    set(key, value) {
      entries.delete(key)
      entries.set(key, { value, until: clock.monotonic() + lifetimeMs })
      if (entries.size <= most) return
      const [oldest] = entries.keys()
      if (oldest !== undefined) entries.delete(oldest)
    },
    get(key) {
      const found = entries.get(key)
      if (found === undefined) return undefined
      if (found.until > clock.monotonic()) return found.value
      entries.delete(key)
      return undefined
    },
  }
}
