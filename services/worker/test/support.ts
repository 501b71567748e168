import { type InferqConfig, parseConfig } from '@inferq/config'
import type { EndMessage, EndPayload, JobRecord, JobSpec, LogEntry, OutcomeMessage } from '@inferq/contracts'
import { isTerminalKind } from '@inferq/contracts'
import { createCancelBroadcast, createJobQueue, type JobQueue, referenceTo } from '@inferq/queue'
import { createRouter, quietDeployments } from '@inferq/routing'
import { createSilentLog, createSystemClock, type ServiceGroup } from '@inferq/runtime'
import { createShares } from '@inferq/shares'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { createLogger, createMetrics } from '@inferq/telemetry'
import {
  createJobSpec,
  createTestLiveConfig,
  createTestRedis,
  type TestLiveConfig,
  type TestRedis,
  until,
} from '@inferq/testkit'
import { createTokenLog, type TokenLog } from '@inferq/tokenlog'
import type { Redis } from 'ioredis'
import { composeWorker } from '../src/index.ts'

const clock = createSystemClock()

/** Redis, a simulator, and as many workers as a test starts. */
export interface Bench {
  readonly server: TestRedis
  readonly redis: Redis
  readonly simulator: Simulator
  readonly tokenLog: TokenLog
  readonly queue: JobQueue
  readonly live: TestLiveConfig<InferqConfig>
  readonly lines: Record<string, unknown>[]
  /** `redisUrl`: the way to Redis. Default: straight there. */
  startWorker(classes?: readonly string[], redisUrl?: string): Promise<ServiceGroup>
  cancel(jobId: string): Promise<void>
  /** Routed as the configuration says; opened and queued by `submit` alone. */
  spec(overrides?: Partial<JobSpec>): JobSpec
  submit(overrides?: Partial<JobSpec>): Promise<JobSpec>
  end(jobId: string): Promise<End>
  close(): Promise<void>
}

export interface End {
  readonly entries: readonly LogEntry[]
  readonly status: EndMessage['status']
  readonly payload: EndPayload
  readonly report: EndMessage
  readonly record: JobRecord | null
  readonly text: string
}

const yaml = (url: string) => `
model_list:
  - model_name: chat
    litellm_params: {model: openai/chat, api_base: "${url}", api_key: sk-test, timeout: 10, stream_timeout: 4}
    model_info: {class: cloud}
  - model_name: embed
    litellm_params: {model: openai/embed, api_base: "${url}", api_key: sk-test}
    model_info: {class: cloud, mode: embedding}
  - model_name: small
    litellm_params: {model: openai/small, api_base: "${url}", api_key: sk-test}
    model_info: {class: cloud, context_window: 1200}
  - model_name: group
    litellm_params: {model: ollama/down, api_base: "${url}", order: 1}
    model_info: {class: down}
  - model_name: group
    litellm_params: {model: openai/up, api_base: "${url}", api_key: sk-test}
    model_info: {class: cloud}
workers: {lock_s: 30, stalled_s: 1, max_attempts: 3, drain_s: 3}
`

export function parseYaml(text: string): InferqConfig {
  const parsed = parseConfig({ source: { file: 'test.yaml', text }, env: {} })
  if (parsed.kind !== 'config') throw new Error(JSON.stringify(parsed.faults))
  return parsed.config
}

/** `config` gets the simulator's address. `server` is closed with the bench. */
export async function createBench(config = yaml, server: TestRedis = createTestRedis()): Promise<Bench> {
  const redis = await server.connect()
  const simulator = createSimulator()
  await simulator.start()
  const live = createTestLiveConfig(parseYaml(config(simulator.url)))
  const tokenLog = createTokenLog({ redis, keys: server.keys, clock })
  const queue = createJobQueue({
    redis,
    keys: server.keys,
    placing: createShares({ redis, keys: server.keys, clock, log: createSilentLog() }),
    log: createSilentLog(),
  })
  const broadcast = createCancelBroadcast({ redis, keys: server.keys })
  const workers: ServiceGroup[] = []
  const lines: Record<string, unknown>[] = []
  const createSpec = (overrides: Partial<JobSpec> = {}): JobSpec => {
    const model = overrides.model ?? 'chat'
    const operation = overrides.operation ?? 'chat'
    const draft = createJobSpec({ model, operation, ...overrides })
    const asked = { model, operation, body: draft.request, caller: { metadata: {} }, metadata: {}, headers: {} }
    const chance = { now: Date.now(), random: Math.random }
    const decision = createRouter(live.current()).route({ ...asked, ...chance }, quietDeployments)
    if (decision.kind !== 'candidates') throw new Error(decision.error.message)
    const { candidates, note, cascade } = decision
    const route = { candidates, route: note, ...(cascade === undefined ? {} : { cascade }) }
    return { ...draft, ...route, ...overrides }
  }
  const log = createLogger({ service: 'worker', destination: { write: (line) => lines.push(JSON.parse(line)) } })

  return {
    server,
    redis,
    simulator,
    tokenLog,
    queue,
    live,
    lines,
    async startWorker(classes, redisUrl = server.url) {
      const worker = composeWorker({
        live,
        redisUrl,
        namespace: server.keys.namespace,
        ...(classes === undefined ? {} : { classes }),
        clock,
        log,
        metrics: createMetrics({ nodeMetrics: false }),
      })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async cancel(jobId) {
      await tokenLog.requestCancel(jobId)
      await broadcast.announce(jobId)
    },
    spec: createSpec,
    async submit(overrides) {
      const spec = createSpec(overrides)
      await tokenLog.open(spec)
      await queue.enqueue(referenceTo(spec, 0))
      return spec
    },
    async end(jobId) {
      const entries = await until(
        async () => {
          const read = (await tokenLog.read(jobId, null, 5_000)) ?? []
          const last = read.at(-1)
          return last !== undefined && isTerminalKind(last.kind) ? read : null
        },
        { what: `the end of ${jobId}` },
      )
      const reports = (await redis.xrange(server.keys.outcomes(), '-', '+'))
        .map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage)
        .filter((message): message is EndMessage => message.kind === 'end' && message.jobId === jobId)
      const report = reports[0]
      if (report === undefined || reports.length > 1) throw new Error(`${reports.length} reports of ${jobId}`)
      const lastReset = entries.map((entry) => entry.kind).lastIndexOf('x')
      return {
        entries,
        status: report.status,
        payload: JSON.parse(entries.at(-1)?.payload ?? '') as EndPayload,
        report,
        record: await tokenLog.record(jobId),
        text: entries
          .slice(lastReset + 1)
          .filter((entry) => entry.kind === 't')
          .map((entry) => entry.payload)
          .join(''),
      }
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.stop()))
      await queue.close()
      await tokenLog.close()
      await server.close()
      await simulator.stop()
    },
  }
}
