import { createRedisKeys } from '@inferq/contracts'
import { closeRedis, createRedis, createSilentLog, type Redis } from '@inferq/runtime'
import type { System } from '../system/system.ts'

const keys = createRedisKeys()

/** A job that a worker had, and the attempt it was at. */
export interface RunningJob {
  readonly jobId: string
  readonly attempt: number
}

/** What the harness reads straight from Redis, past all proxies. */
export interface Inside {
  /** Of the process with this id. Empty when Redis does not know it. */
  runningOn(pid: number): Promise<readonly RunningJob[]>
  /** Those of these jobs that have gone on: at another attempt, ended, or no longer there. */
  goneOn(jobs: readonly RunningJob[]): Promise<readonly RunningJob[]>
  /** Reports of jobs' starts and ends that are not recorded yet. */
  outcomeBacklog(): Promise<number>
  /** Jobs that have a place in a queue, by class. */
  queued(): Promise<ReadonlyMap<string, readonly string[]>>
}

/** Runs `work` on a connection to the Redis that is primary now. */
export async function lookInside<T>(system: System, work: (inside: Inside) => Promise<T>): Promise<T> {
  const redis = createRedis({ url: system.redis.url, role: 'blocking', log: createSilentLog(), replyTimeoutMs: 10_000 })
  // Lost connections are the run's daily bread.
  redis.on('error', () => {})
  try {
    return await work(createInside(redis))
  } finally {
    await closeRedis(redis)
  }
}

function createInside(redis: Redis): Inside {
  const classes = async (): Promise<string[]> => {
    const metas = await scan(redis, `${keys.namespace}:{*}:*:meta`)
    return metas.map((key) => key.slice(key.indexOf('{') + 1, key.indexOf('}')))
  }
  const queueKey = (name: string, part: string): string => `${keys.namespace}:{${name}}:${name}:${part}`
  return {
    async runningOn(pid) {
      const worker = await workerOf(redis, pid)
      if (worker === null) return []
      const names = await classes()
      const lists = await Promise.all(names.map((name) => redis.lrange(queueKey(name, 'active'), 0, -1)))
      const jobIds = [...new Set(lists.flat().map(jobIdOf))]
      const jobs = await Promise.all(jobIds.map((jobId) => runningJob(redis, jobId, worker)))
      return jobs.filter((job) => job !== null)
    },
    async goneOn(jobs) {
      const states = await Promise.all(jobs.map(({ jobId }) => redis.hmget(keys.job(jobId), 'status', 'attempt')))
      return jobs.filter(({ attempt }, place) => {
        const [status, now] = states[place] ?? []
        return (status !== 'in_progress' && status !== 'queued') || Number(now) > attempt
      })
    },
    outcomeBacklog: () => redis.xlen(keys.outcomes()),
    async queued() {
      const names = await classes()
      const jobIds = await Promise.all(names.map((name) => queuedIn(redis, (part) => queueKey(name, part))))
      return new Map(names.map((name, place) => [name, jobIds[place] ?? []]))
    },
  }
}

async function queuedIn(redis: Redis, key: (part: string) => string): Promise<readonly string[]> {
  const references = await Promise.all([
    redis.lrange(key('wait'), 0, -1),
    redis.lrange(key('active'), 0, -1),
    redis.zrange(key('prioritized'), '0', '-1'),
    redis.zrange(key('delayed'), '0', '-1'),
  ])
  return references.flat().map(jobIdOf)
}

/** A queue knows a job by its id and its hop. */
function jobIdOf(reference: string): string {
  return reference.replace(/-\d+$/, '')
}

async function workerOf(redis: Redis, pid: number): Promise<string | null> {
  const ids = await redis.zrange(keys.workers(), '0', '-1')
  const texts = await Promise.all(ids.map((id) => redis.get(keys.worker(id))))
  const known = texts.flatMap((text) => (text === null ? [] : [JSON.parse(text) as { id: string; pid: number }]))
  return known.find((worker) => worker.pid === pid)?.id ?? null
}

async function runningJob(redis: Redis, jobId: string, worker: string): Promise<RunningJob | null> {
  const [status, attempt] = await redis.hmget(keys.job(jobId), 'status', 'attempt')
  if (status !== 'in_progress' || !attempt) return null
  const record = await redis.hget(keys.job(jobId), `a:${attempt}`)
  const isOnIt = record !== null && (JSON.parse(record) as { worker?: string }).worker === worker
  return isOnIt ? { jobId, attempt: Number(attempt) } : null
}

async function scan(redis: Redis, pattern: string): Promise<string[]> {
  const found: string[] = []
  let cursor = '0'
  do {
    const [next, page] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000)
    found.push(...page)
    cursor = next
  } while (cursor !== '0')
  return found
}
