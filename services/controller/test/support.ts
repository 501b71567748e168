import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type InferqConfig, parseConfig } from '@inferq/config'
import type { AttemptRecord, EndPayload, JobSpec, JobStatus, RedisKeys } from '@inferq/contracts'
import { createSealer } from '@inferq/liveconfig'
import { createCancelBroadcast, createJobConsumer, createJobQueue, type JobQueue, referenceTo } from '@inferq/queue'
import {
  createDeadline,
  createId,
  createSilentLog,
  createSystemClock,
  type EmbeddedPostgres,
  type Redis,
  type ServiceGroup,
  startEmbeddedPostgres,
} from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import { createStore, type Store, type StoredJob } from '@inferq/store'
import { createInferqMetrics, createMetrics, type Metrics } from '@inferq/telemetry'
import { createJobSpec, createTestRedis, type TestRedis } from '@inferq/testkit'
import { createTokenLog, type TokenLog } from '@inferq/tokenlog'
import { createWebhookSecrets } from '@inferq/webhooks'
import { type ControllerParts, createController } from '../src/controller.ts'
import type { ControllerOptions } from '../src/options.ts'

/** A Postgres for a file of tests. */
export interface TestPostgres {
  readonly server: EmbeddedPostgres
  readonly store: Store
  /** Ends and deletes every job, so that the next test's controllers find nothing to do. */
  clear(): Promise<void>
  stop(): Promise<void>
}

/**
 * Statements time out soon, for tests in which it is away; the relay takes a job at once, even while its ingress is about to
 * enqueue it.
 */
export async function startTestPostgres({ statementTimeoutMs = 3_000, relayAfterMs = 0 } = {}): Promise<TestPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'inferq-controller-'))
  const cacheDir = join(import.meta.dirname, '../../../.inferq/cache')
  const server = await startEmbeddedPostgres({ dataDir: join(directory, 'postgres'), cacheDir, log: createSilentLog() })
  // Submits are no part of it.
  const store = createStore({
    ...{ url: server.url, log: createSilentLog(), relayAfterMs, statementTimeoutMs, answerWithinMs: 10_000 },
  })
  await store.migrate()
  const farFuture = Date.UTC(2100, 0, 1)
  return {
    server,
    store,
    async clear() {
      const open = await store.findOverdue({ now: farFuture, limit: 100_000 })
      await store.commitOutcomes(open.map((job) => ({ ...job, ...cancelledEnd(job) })))
      await store.deleteEnded({ endedBefore: farFuture, limit: 100_000 })
    },
    async stop() {
      await store.close()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function cancelledEnd({ id, model, createdAt }: StoredJob) {
  return {
    kind: 'end' as const,
    jobId: id,
    servedModel: model,
    status: 'cancelled' as const,
    endedAt: createdAt,
    route: { strategy: 'none', reason: 'cleared' },
    deployment: '',
    usage: { promptTokens: 0, completionTokens: 0 },
    error: { code: 'job_cancelled' as const, message: 'cleared' },
    finishReason: '',
  }
}

/** The rest of a world: a namespace on Redis, what ingress and workers use, and controllers on demand. */
export interface World {
  readonly keys: RedisKeys
  readonly redis: Redis
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  startController(
    options?: Partial<ControllerOptions>,
    parts?: Partial<ControllerParts>,
  ): Promise<{ group: ServiceGroup; metrics: Metrics }>
  /** As an ingress accepts an asynchronous job. */
  submit(overrides?: Partial<JobSpec>): Promise<JobSpec>
  /** As a worker runs it, without the queue. */
  begin(spec: JobSpec): Promise<number>
  run(spec: JobSpec, end?: Partial<EndPayload>): Promise<void>
  /** A worker that answers what comes out of the queue, until the world is closed. Gives the jobs that it began, as it does. */
  serve(): Promise<readonly string[]>
  connectSubscriber(): Promise<Redis>
  status(spec: JobSpec): Promise<JobStatus | 'gone' | 'unknown'>
  stored(spec: JobSpec): Promise<StoredJob>
  close(): Promise<void>
}

/** Quick turns, so that nothing is waited for. */
const quick: Partial<ControllerOptions> = {
  lingerMs: 0,
  takeOverAfterMs: 200,
  relayEveryMs: 20,
  expireEveryMs: 20,
  reconcileEveryMs: 20,
  retainEveryMs: 20,
  renumberEveryMs: 20,
  batchEveryMs: 20,
  batchIdleMs: 20,
}

export async function createWorld(store: Store, server: TestRedis = createTestRedis()): Promise<World> {
  const { keys } = server
  const clock = createSystemClock()
  const log = createSilentLog()
  const redis = await server.connect()
  const tokenLog = createTokenLog({ redis, keys, clock })
  const shares = createShares({ redis, keys, clock, log })
  const queue = createJobQueue({ redis, keys, placing: shares, log })
  const controllers: ServiceGroup[] = []
  const stops: (() => Promise<void>)[] = []
  const begun = new Map<string, { attempt: AttemptRecord; record: Parameters<TokenLog['finish']>[0] }>()

  const world: World = {
    keys,
    redis,
    tokenLog,
    queue,
    async startController(options = {}, parts = {}) {
      const registry = createMetrics({ nodeMetrics: false })
      const group = createController({
        controllerId: createId('c'),
        config: testConfig,
        store,
        tokenLog,
        queue,
        shares,
        cancellations: createCancelBroadcast({ redis, keys }),
        webhookSecrets: createWebhookSecrets(store, createSealer('test')),
        redis,
        blocking: await server.connect('blocking'),
        keys,
        clock,
        log,
        registry,
        metrics: createInferqMetrics(registry),
        options: { ...quick, ...options },
        ...parts,
      })
      controllers.push(group)
      await group.start()
      return { group, metrics: registry }
    },
    async submit(overrides = {}) {
      const spec = jobSpec(overrides)
      if (spec.mode === 'async') await store.insertAccepted([spec])
      await tokenLog.open(spec)
      await queue.enqueue(referenceTo(spec, 0))
      if (spec.mode === 'async') await store.markEnqueued([spec.id])
      return spec
    },
    async begin(spec) {
      const result = await tokenLog.begin(spec.id, { hop: 0, class: 'gpu', worker: 'w1', maxTries: 3 })
      if (result.kind !== 'begun') throw new Error(`${spec.id} was not begun: ${result.kind}`)
      const attempt = { attempt: result.attempt, hop: 0, class: 'gpu', worker: 'w1', startedAt: clock.now() }
      begun.set(spec.id, { attempt, record: result.record })
      return result.attempt
    },
    async run(spec, end = {}) {
      await world.begin(spec)
      const { attempt, record } = begun.get(spec.id) ?? {}
      if (attempt === undefined || record === undefined) throw new Error(`${spec.id} does not run`)
      const payload: EndPayload = {
        at: clock.now(),
        result: { answer: spec.id },
        usage: { promptTokens: 3, completionTokens: 5 },
        finishReason: 'stop',
        ...end,
      }
      await tokenLog.finish(record, { ...attempt, endedAt: clock.now(), outcome: 'completed' }, 'completed', payload)
    },
    async serve() {
      const began: string[] = []
      const consumer = createJobConsumer({
        ...{ class: 'gpu', concurrency: 8, lockMs: 6_000, stalledMs: 2_000, keys, placing: shares, log },
        redis: await server.connect('blocking'),
        async process({ jobId, hop }) {
          const result = await tokenLog.begin(jobId, { hop, class: 'gpu', worker: 'w1', maxTries: 3 })
          if (result.kind !== 'begun') return { kind: 'done' }
          began.push(jobId)
          const attempt = { attempt: result.attempt, hop, class: 'gpu', worker: 'w1', startedAt: clock.now() }
          const ended = { ...attempt, endedAt: clock.now(), outcome: 'completed' as const }
          await tokenLog.finish(result.record, ended, 'completed', { at: clock.now(), result: { answer: jobId } })
          return { kind: 'done' }
        },
        onAbandoned: async () => {},
      })
      await consumer.start()
      stops.push(() => consumer.stop(createDeadline(clock, { timeoutMs: 5_000, what: 'stopping' })))
      return began
    },
    connectSubscriber: () => server.connect('subscriber'),
    async status(spec) {
      const lookup = await store.getJob(spec.id, spec.owner)
      return lookup.kind === 'found' ? lookup.job.status : lookup.kind
    },
    async stored(spec) {
      const lookup = await store.getJob(spec.id, spec.owner)
      if (lookup.kind !== 'found') throw new Error(`${spec.id} is ${lookup.kind}`)
      return lookup.job
    },
    async close() {
      for (const group of controllers) await group.stop()
      for (const stop of stops) await stop()
      await queue.close()
      await tokenLog.close()
      await server.close()
    },
  }
  return world
}

export function jobSpec(overrides: Partial<JobSpec> = {}): JobSpec {
  return createJobSpec({ model: 'small', owner: 'owner', ...overrides })
}

const parsed = parseConfig({
  source: {
    file: 'test.yaml',
    text: `
model_list:
  - model_name: small
    litellm_params: {model: openai/up, api_base: "http://127.0.0.1:9/v1", api_key: sk-test}
    model_info: {class: gpu, context_window: 1000}
classes: {gpu: {concurrency: 22}}
shares: {tenants: {acme: 3}}
`,
  },
  env: {},
})

/** One model, `small`, in the class `gpu`. */
export function testConfig(): InferqConfig {
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  return parsed.config
}

/** Value of a metric's series, 0 when there is none. */
export async function metricValue(metrics: Metrics, name: string, labels = ''): Promise<number> {
  const lines = (await metrics.render()).split('\n')
  const line = lines.find((text) => text.startsWith(name) && text.includes(labels))
  return line === undefined ? 0 : Number(line.split(' ').at(-1))
}
