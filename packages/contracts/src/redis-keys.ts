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
  /** Hash: the virtual clock of a model class, and how far each tenant is ahead of it. */
  shares(modelClass: string): string
  /** Sorted set: the flows of that hash, by when they changed last. */
  sharesChanged(modelClass: string): string
  /** Sorted set: workers that offer slots to jobs which need not wait, by how many each offers. */
  slots(modelClass: string): string
  /** Sorted set: jobs that were started at a worker directly, by when they are taken for lost (ms). */
  leases(modelClass: string): string
  /** Channel: jobs that were started at this worker directly. */
  starts(workerId: string): string
  /** String: how long a lease of this worker's jobs is (ms); expires when the worker falls silent. */
  alive(workerId: string): string
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
  /** String: this worker was told to drain; it stands until it is told otherwise. */
  workerDrain(workerId: string): string
  /** Channel: ids of workers that were told something. */
  workerOrders(): string
  /** Channel: jobs that other workers offer to this one, and their answers to what it offers. */
  handovers(workerId: string): string
  /** Channel: which worker has served which beginning of a prompt, among the workers of a class. */
  affinity(modelClass: string): string
  /** String, for seconds: the worker that is about to load this class's model. */
  modelClaim(modelClass: string): string
  /** Hash: the circuit of every deployment that has failed lately, by deployment id (JSON). */
  circuits(): string
  /** Hash: consecutive failures and calls by window, of one deployment. Same slot as `circuits`. */
  failures(deploymentId: string): string
  /** Hash: what each process last told of its calls, by process and deployment. Expires. */
  deploymentStats(processId: string): string
  /** Sorted set: processes that tell statistics, by the time of the last (ms). */
  deploymentStatsIndex(): string
  /** Channel: circuits that changed. */
  circuitChanges(): string
  /** String: this deployment was checked in this interval. */
  checked(deploymentId: string): string
  /** String: models laid over the configuration file, secrets sealed (JSON). */
  modelOverlay(): string
  /** Channel: the configuration or the overlay has changed; every process loads again. */
  configChanges(): string
  /** String: written by readiness checks, to know that writes are taken. */
  writeCheck(): string
  /** String: what workers without a configuration file need of the ingresses' one, sealed (JSON). */
  localConfig(): string
}

export function createRedisKeys(namespace = 'inferq'): RedisKeys {
  return {
    namespace,
    job: (jobId) => `${namespace}:{jobs}:${jobId}`,
    log: (jobId) => `${namespace}:{jobs}:${jobId}:log`,
    queuePrefix: (modelClass) => `${namespace}:{${queueName(modelClass)}}`,
    queueName,
    shares: (modelClass) => `${namespace}:{${queueName(modelClass)}}:shares`,
    sharesChanged: (modelClass) => `${namespace}:{${queueName(modelClass)}}:shares:changed`,
    slots: (modelClass) => `${namespace}:{${queueName(modelClass)}}:slots`,
    leases: (modelClass) => `${namespace}:{${queueName(modelClass)}}:leases`,
    starts: (workerId) => `${namespace}:starts:${workerId}`,
    alive: (workerId) => `${namespace}:alive:${workerId}`,
    outcomes: () => `${namespace}:{jobs}:outcomes`,
    refusedOutcomes: () => `${namespace}:{jobs}:outcomes:refused`,
    replies: (ingressId) => `${namespace}:replies:${ingressId}`,
    cancellations: () => `${namespace}:cancellations`,
    worker: (workerId) => `${namespace}:worker:${workerId}`,
    workers: () => `${namespace}:workers`,
    workerDrain: (workerId) => `${namespace}:workers:drain:${workerId}`,
    workerOrders: () => `${namespace}:workers:orders`,
    handovers: (workerId) => `${namespace}:worker:${workerId}:handovers`,
    affinity: (modelClass) => `${namespace}:{${queueName(modelClass)}}:affinity`,
    modelClaim: (modelClass) => `${namespace}:model-claims:${modelClass}`,
    circuits: () => `${namespace}:{circuits}`,
    failures: (deploymentId) => `${namespace}:{circuits}:${deploymentId}`,
    deploymentStats: (processId) => `${namespace}:stats:${processId}`,
    deploymentStatsIndex: () => `${namespace}:stats`,
    circuitChanges: () => `${namespace}:circuits:changes`,
    checked: (deploymentId) => `${namespace}:checked:${deploymentId}`,
    modelOverlay: () => `${namespace}:models`,
    configChanges: () => `${namespace}:config:changes`,
    writeCheck: () => `${namespace}:write-check`,
    localConfig: () => `${namespace}:config:local`,
  }
}

/** BullMQ forbids `:` in a queue name, and braces would break the hash tag; `%` keeps the mapping one to one. */
function queueName(modelClass: string): string {
  return modelClass.replace(/[%:{}]/g, (character) => `%${character.charCodeAt(0).toString(16)}`)
}
