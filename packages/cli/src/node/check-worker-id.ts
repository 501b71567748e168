import { hostname } from 'node:os'
import { createRedisKeys } from '@inferq/contracts'
import { createWorkerRegistry } from '@inferq/queue'
import { type Clock, closeRedis, createRedis, type Log, whenRedisReady } from '@inferq/runtime'
import { CommandError, exitCodes } from '../exit-codes.ts'
import type { Settings } from '../settings.ts'

export interface WorkerIdContext {
  readonly redisUrl: string
  readonly settings: Pick<Settings, 'namespace'>
  readonly log: Log
  readonly clock: Clock
}

/** Longer than the registration of a worker that is gone lasts. */
const waitMs = 12_000
const lookEveryMs = 500

/**
 * An id is one worker's: two under one name would hide each other. One that was killed is still listed for some seconds, so
 * it is waited for until it beats (then it lives, and this start is refused) or is gone. Throws CommandError 3.
 */
export async function checkWorkerId(id: string, { redisUrl, settings, log, clock }: WorkerIdContext): Promise<void> {
  const redis = createRedis({ url: redisUrl, role: 'command', name: 'inferq-worker-id', log, clock })
  try {
    await whenRedisReady(redis, { timeoutMs: 10_000, clock })
    const registry = createWorkerRegistry({ redis, keys: createRedisKeys(settings.namespace) })
    const find = async () => (await registry.list()).find((worker) => worker.id === id)
    const first = await find()
    if (first === undefined || (first.host === hostname() && !isAnother(first.pid))) return
    log.info({ workerId: id, host: first.host, pid: first.pid }, 'worker-id-in-use')
    const until = clock.monotonic() + waitMs
    while (clock.monotonic() < until) {
      await clock.sleep(lookEveryMs)
      const now = await find()
      if (now === undefined) return
      if (now.lastBeatAt === first.lastBeatAt) continue
      const message = `the worker id ${id} is in use by process ${now.pid} on ${now.host}`
      throw new CommandError(exitCodes.configInvalid, message, 'give this worker another --id, or stop that one')
    }
  } finally {
    await closeRedis(redis)
  }
}

/** A process of this machine with that number runs, and is not this one (as in a container that was started again). */
function isAnother(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM'
  }
}
