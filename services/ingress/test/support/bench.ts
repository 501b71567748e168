import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InferqConfig, parseConfig } from '@inferq/config'
import type { AttemptRecord, EndPayload, JobSpec, RequeueMove, TerminalStatus } from '@inferq/contracts'
import { createFileStore } from '@inferq/files'
import { createDeploymentHealth, type DeploymentHealth } from '@inferq/health'
import { createSealer } from '@inferq/liveconfig'
import {
  createCancelBroadcast,
  createJobQueue,
  createWorkerRegistry,
  type JobQueue,
  referenceTo,
  weighOutcomes,
} from '@inferq/queue'
import {
  createDeadline,
  createId,
  createRedisServiceCheck,
  createSystemClock,
  type ServiceCheck,
} from '@inferq/runtime'
import { createShares, type Shares } from '@inferq/shares'
import { createStore, type Store } from '@inferq/store'
import { createInferqMetrics, createLogger, createMetrics } from '@inferq/telemetry'
import {
  createJobSpec,
  createTestLiveConfig,
  createTestRedis,
  type TestLiveConfig,
  type TestRedis,
  until,
} from '@inferq/testkit'
import { createLogFollower, createTokenLog, type LogFollower, type LogWriter, type TokenLog } from '@inferq/tokenlog'
import { createWebhookSecrets } from '@inferq/webhooks'
import type { Redis } from 'ioredis'
import { createCore } from '../../src/core.ts'
import type { IngressCore } from '../../src/dependencies.ts'
import { createEventTokens } from '../../src/event-tokens.ts'
import type { Authenticator } from '../../src/identity.ts'
import { createModelRegistry } from '../../src/models/model-registry.ts'
import type { IngressOptions } from '../../src/options.ts'
import { createOutcomeRoom } from '../../src/outcome-room.ts'
import { createIngressServer } from '../../src/server.ts'

export const clock = createSystemClock()

export const masterKey = 'sk-test-master'
export const otherKey = 'sk-test-other'

/** Two callers, so that one can try to see what the other made. */
const authenticator: Authenticator = {
  identify(key) {
    if (key === masterKey) return { owner: 'master', admin: true }
    return key === otherKey ? { owner: 'other', admin: false } : null
  },
}

const defaultYaml = `
health_checks: {timeout_s: 0.3}
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu}
  - model_name: team/embed
    litellm_params: {model: openai/embed, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu, mode: embedding}
`

export interface BenchOptions {
  readonly options?: Partial<IngressOptions>
  readonly bodyBytes?: number
  /** The configuration file. */
  readonly yaml?: string
  /** Default: a store whose database is not there. */
  readonly store?: Store
  /** Of the database, for readiness. Default: it is not asked. */
  readonly databaseCheck?: ServiceCheck
  /** Outcomes that may wait before nothing new is taken. */
  readonly maxOutcomes?: number
  /** Where files go. Default: a directory that is only made when a file comes. */
  readonly filesDir?: string
}

/** An ingress on a socket, over a real Redis. The test is the worker. */
export interface Bench {
  readonly url: string
  readonly core: IngressCore
  readonly live: TestLiveConfig<InferqConfig>
  readonly health: DeploymentHealth
  readonly server: TestRedis
  readonly redis: Redis
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  /** Not started: only those who want to know what a job takes do that. */
  readonly shares: Shares
  readonly lines: Record<string, unknown>[]
  /** The specification of an interactive job somebody has begun to wait for; each is given once. */
  nextExchange(): Promise<JobSpec>
  /** Opens and enqueues an asynchronous job, past HTTP and the record of truth. */
  submit(overrides?: Partial<JobSpec>): Promise<JobSpec>
  begin(jobId: string, worker?: string): Promise<Attempt>
  /** Another ingress over the same Redis. */
  anotherIngress(): Promise<{ readonly url: string; stop(): Promise<void> }>
  /** Cuts the connection for commands, and makes it again. */
  loseRedis(): Promise<void>
  findRedis(): Promise<void>
  stop(timeoutMs?: number): Promise<void>
  quiet(): Promise<void>
  close(): Promise<void>
}

/** One attempt of a job, played by the test. */
export interface Attempt {
  readonly spec: JobSpec
  readonly writer: LogWriter
  readonly attempt: number
  /** Writes each text as an entry of its own. */
  say(...texts: readonly string[]): Promise<void>
  release(move: RequeueMove, delayMs?: number): Promise<void>
  end(status: TerminalStatus, end?: Partial<EndPayload>): Promise<void>
}

export async function createBench({
  options,
  bodyBytes,
  store,
  filesDir,
  databaseCheck,
  maxOutcomes,
  yaml = defaultYaml,
}: BenchOptions = {}): Promise<Bench> {
  const server = createTestRedis()
  const redis = await server.connect()
  const parsed = parseConfig({ source: { file: 'test.yaml', text: yaml }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  const config = bodyBytes === undefined ? parsed.config : { ...parsed.config, limits: { bodyBytes } }
  const live = createTestLiveConfig(config)
  const lines: Record<string, unknown>[] = []
  const log = createLogger({
    service: 'ingress',
    level: 'debug',
    destination: { write: (line) => lines.push(JSON.parse(line)) },
  })
  const { keys } = server
  const shares = createShares({ redis, keys, clock, log, everyMs: 10 })
  const queue = createJobQueue({ redis, keys, placing: shares, log })
  const tokenLog = createTokenLog({ redis, keys, clock })
  const usedStore = store ?? createStore({ url: 'postgres://nobody@127.0.0.1:9/none', log, statementTimeoutMs: 500 })

  const assemble = async () => {
    const subscriber = await server.connect('subscriber')
    const watcher = createId('ingress')
    const follower: LogFollower = createLogFollower({ tokenLog, subscriber, redis, keys, clock, log, watcher })
    const registry = createMetrics({ nodeMetrics: false })
    const health = createDeploymentHealth({
      redis,
      subscriber,
      keys,
      config: () => live.current().breaker,
      processId: watcher,
      clock,
      log,
    })
    const outcomeRoom = createOutcomeRoom({
      weigh: () => weighOutcomes(redis, keys),
      ...(maxOutcomes === undefined ? {} : { maxLength: maxOutcomes }),
      lookEveryMs: 10,
      clock,
      log,
    })
    const core = createCore(
      {
        config: () => live.current(),
        live,
        models: createModelRegistry({ store: usedStore, redis, keys, live, sealer: createSealer('test'), clock, log }),
        health,
        tokenLog,
        follower,
        queue,
        shares,
        cancellations: createCancelBroadcast({ redis, keys }),
        workers: createWorkerRegistry({ redis, keys }),
        eventTokens: createEventTokens(() => createSealer('test').deriveKey('event tokens')),
        store: usedStore,
        files: createFileStore(
          config.files.storage,
          filesDir ?? join(tmpdir(), `inferq-files-${keys.namespace.replaceAll(':', '-')}`),
        ),
        webhookSecrets: createWebhookSecrets(usedStore, createSealer('test')),
        authenticator,
        outcomeRoom,
        checks: [
          { ...createRedisServiceCheck({ redis, clock }), needed: true },
          ...(databaseCheck === undefined ? [] : [{ ...databaseCheck, needed: false }]),
        ],
        log,
        registry,
        metrics: createInferqMetrics(registry),
        clock,
      },
      options,
    )
    const ingress = createIngressServer(core, { port: 0 })
    await follower.start()
    await health.start()
    await outcomeRoom.start()
    await ingress.start()
    const stop = async (timeoutMs = 5_000): Promise<void> => {
      const deadline = createDeadline(clock, { timeoutMs, what: 'stopping the ingress' })
      await ingress.stop(deadline)
      await outcomeRoom.stop(deadline)
      await health.stop(deadline)
      await follower.stop(deadline)
      deadline.release()
    }
    return { core, health, ingress, url: ingress.url(), stop }
  }

  const main = await assemble()
  const seen = new Set<string>()
  const others: { stop(): Promise<void> }[] = []

  const begin = async (jobId: string, worker = 'w1'): Promise<Attempt> => {
    const at = { hop: 0, class: 'gpu', worker }
    const begun = await tokenLog.begin(jobId, { ...at, maxTries: 3 })
    if (begun.kind !== 'begun') throw new Error(`begin said ${begun.kind}`)
    const { spec } = begun.record
    await queue.remove({ jobId, hop: 0, class: 'gpu' })
    const record: AttemptRecord = { ...at, attempt: begun.attempt, startedAt: Date.now(), deployment: 'gpu-1' }
    const writer = tokenLog.writer(jobId, begun.attempt)
    if (begun.shown) writer.reset()
    await writer.flush()
    return {
      spec,
      writer,
      attempt: begun.attempt,
      async say(...texts) {
        for (const text of texts) {
          writer.text(text)
          await writer.flush()
        }
      },
      async release(move, delayMs = 0) {
        const outcome = ({ requeue: 'requeued', retry: 'retried', fallback: 'fallback' } as const)[move]
        const ended = { ...record, endedAt: Date.now(), outcome }
        await tokenLog.release(jobId, ended, { move, reason: 'test', delayMs, hop: 0, class: 'gpu' })
      },
      async end(status, end = {}) {
        await writer.flush()
        const endedAt = Date.now()
        const outcome: AttemptRecord = { ...record, endedAt, outcome: status }
        const payload: EndPayload = {
          at: endedAt,
          deployment: 'gpu-1',
          timings: { startedAt: record.startedAt, endedAt },
          ...end,
        }
        const result = await tokenLog.finish(begun.record, outcome, status, payload)
        if (result !== 'ended') throw new Error(`finish said ${result}`)
      },
    }
  }

  return {
    ...main,
    live,
    server,
    redis,
    tokenLog,
    queue,
    shares,
    lines,
    async nextExchange() {
      const isNew = ({ spec }: { spec: JobSpec }): boolean => !seen.has(spec.id)
      const { spec } = await until(() => [...main.core.exchanges].find(isNew), { what: 'a client that waits' })
      seen.add(spec.id)
      return opened(spec)
    },
    async submit(overrides = {}) {
      const spec = { ...createJobSpec(), ...overrides }
      await tokenLog.open(spec)
      await queue.enqueue(referenceTo(spec, 0))
      return spec
    },
    begin,
    async anotherIngress() {
      const another = await assemble()
      others.push(another)
      return another
    },
    async loseRedis() {
      redis.disconnect()
      await until(() => redis.status === 'end')
    },
    findRedis: () => redis.connect(),
    quiet: async () => main.ingress.quiet?.(),
    async close() {
      await Promise.all([main, ...others].map((one) => one.stop(500)))
      const deadline = createDeadline(clock, { timeoutMs: 500, what: 'stopping the shares' })
      await shares.stop(deadline)
      deadline.release()
      await queue.close()
      await tokenLog.close()
      if (store === undefined) await usedStore.close()
      await server.close()
    },
  }

  /** The client is registered a moment before its job is in Redis, and that may be a moment before it is in its queue. */
  async function opened(spec: JobSpec): Promise<JobSpec> {
    const place = { jobId: spec.id, hop: 0, class: spec.candidates[0]?.class ?? '' }
    const isIn = async (): Promise<boolean> => {
      const record = await tokenLog.record(spec.id)
      return record !== null && (record.status !== 'queued' || (await queue.position(place)) !== null)
    }
    await until(isIn, { what: `${spec.id} in its queue` })
    return spec
  }
}
