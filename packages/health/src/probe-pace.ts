/**
 * When a call that has nowhere else to go may probe an open circuit: so long after it opened, and twice as long after each failed
 * probe, up to the longest. Short enough that a deployment that is back is not refused for long, long enough that one that is
 * down gets a call now and then.
 */
export const probePace = { firstMs: 1_000, longestMs: 15_000 } as const
