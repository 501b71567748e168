import { defineScript } from '@inferq/runtime'
import type { Redis } from 'ioredis'

/**
 * KEYS[1] lock of a job, as BullMQ keeps it: a string, the token of its holder
 * ARGV[1] token that it must hold · ARGV[2] token to hold from now on · ARGV[3] for how long, ms
 * Gives 1, or 0 when another token is there, or none.
 */
const lua = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
`

/** Makes a job's lock one's own; false when the one who held it has it no more. */
export type ClaimLock = (key: string, from: string, to: string, lockMs: number) => Promise<boolean>

export function createClaimLock(redis: Redis): ClaimLock {
  const script = defineScript(redis, { name: 'claimJobLock', lua, numberOfKeys: 1 })
  return async (key, from, to, lockMs) => (await script(key, from, to, lockMs)) === 1
}
