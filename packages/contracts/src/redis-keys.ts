/**
 * Every Redis key and channel of inferq. A part in braces is the hash tag of Redis Cluster: all keys that one script
 * touches share it. The jobs and the outcome stream share one, so that a job's end and its report for the record of truth
 * are written in one step. `namespace` separates installations (and tests) on one server.
 */
export interface RedisKeys {
  readonly namespace: string
  /** Hash: the job's specification and live state. Lives from acceptance until shortly after the end. */
  job(jobId: string): string
  /** Stream: the token log, `<attempt>-<seq>` ids. Same slot as `job`. */
  log(jobId: string): string
  /** BullMQ's prefix for a model class: its whole queue lies in one slot. */
  queuePrefix(modelClass: string): string
  /** BullMQ's queue name for a model class. */
  queueName(modelClass: string): string
  /** Stream: starts and ends of jobs for the record of truth, read by the controllers as a group. Same slot as `job`. */
  outcomes(): string
  /** Stream, bounded: outcomes that could not be recorded, for an operator to look at. Same slot as `job`. */
  refusedOutcomes(): string
  /** Channel: log entries for the readers of one ingress process. */
  replies(ingressId: string): string
  /** Channel: ids of jobs whose running attempt shall stop. */
  cancellations(): string
  /** String: one worker's registration (JSON); expires when its heartbeat stops. */
  worker(workerId: string): string
  /** Sorted set: worker ids by the time of their last heartbeat (ms). */
  workers(): string
}

export function createRedisKeys(namespace = 'inferq'): RedisKeys {
  return {
    namespace,
    job: (jobId) => `${namespace}:{jobs}:${jobId}`,
    log: (jobId) => `${namespace}:{jobs}:${jobId}:log`,
    queuePrefix: (modelClass) => `${namespace}:{${queueName(modelClass)}}`,
    queueName,
    outcomes: () => `${namespace}:{jobs}:outcomes`,
    refusedOutcomes: () => `${namespace}:{jobs}:outcomes:refused`,
    replies: (ingressId) => `${namespace}:replies:${ingressId}`,
    cancellations: () => `${namespace}:cancellations`,
    worker: (workerId) => `${namespace}:worker:${workerId}`,
    workers: () => `${namespace}:workers`,
  }
}

/** BullMQ forbids `:` in a queue name, and braces would break the hash tag; `%` keeps the mapping one to one. */
function queueName(modelClass: string): string {
  return modelClass.replace(/[%:{}]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}
