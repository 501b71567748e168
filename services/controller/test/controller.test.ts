import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isTerminalKind, type JobSpec, type OutcomeMessage } from '@inferq/contracts'
import { createSealer } from '@inferq/liveconfig'
import { inspectOutcomes } from '@inferq/queue'
import { createSilentLog, createSystemClock, startEmbeddedRedis } from '@inferq/runtime'
import { createInferqMetrics, createMetrics } from '@inferq/telemetry'
import { createTestRedis, until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { composeController } from '../src/index.ts'
import {
  createWorld,
  jobSpec,
  metricValue,
  startTestPostgres,
  type TestPostgres,
  testConfig,
  type World,
} from './support.ts'

let postgres: TestPostgres
let world: World

beforeAll(async () => {
  postgres = await startTestPostgres()
})
afterAll(() => postgres?.stop())
beforeEach(async () => {
  world = await createWorld(postgres.store)
})
afterEach(async () => {
  await world.close()
  await postgres.clear()
})

const backlog = async () => (await inspectOutcomes(world.redis, world.keys)).length
const depth = async () => (await world.queue.depth('gpu')).waiting
const wipeRedis = async () => {
  const keys = await world.redis.keys(`${world.keys.namespace}:*`)
  if (keys.length > 0) await world.redis.del(...keys)
}
const events = async (jobId: string) => (await world.tokenLog.read(jobId, null)) ?? []

/** A controller that died after recording (or before), and before it could acknowledge. */
async function dieHoldingOutcomes(recorded: boolean): Promise<readonly OutcomeMessage[]> {
  const stream = world.keys.outcomes()
  await world.redis.xgroup('CREATE', stream, 'controllers', '0', 'MKSTREAM').catch(() => {})
  const reply = await world.redis.xreadgroup('GROUP', 'controllers', 'dead', 'STREAMS', stream, '>')
  const [[, entries]] = reply as [[string, [string, string[]][]]]
  const messages = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage)
  if (recorded) await postgres.store.commitOutcomes(messages)
  return messages
}

describe('outcomes', () => {
  it('become the record of truth, for asynchronous and interactive jobs', async () => {
    const { metrics } = await world.startController()
    const spec = await world.submit()
    await world.begin(spec)
    await until(async () => (await world.status(spec)) === 'in_progress')
    const other = await world.submit({ mode: 'interactive', keepResult: false })
    await world.run(other)
    await until(async () => (await world.status(other)) === 'completed')
    expect(await world.stored(other)).toMatchObject({ result: null, usage: { promptTokens: 3, completionTokens: 5 } })
    expect(await metricValue(metrics, 'inferq_jobs_total', 'outcome="completed"')).toBe(1)
  })

  it('are recorded once when a controller dies between recording and acknowledging', async () => {
    const specs = await Promise.all([world.submit(), world.submit({ mode: 'interactive' })])
    for (const spec of specs) await world.run(spec)
    await dieHoldingOutcomes(true)
    const { metrics } = await world.startController()
    await until(async () => (await backlog()) === 0)
    expect(await metricValue(metrics, 'inferq_jobs_total')).toBe(0)
    for (const spec of specs) expect(await world.status(spec)).toBe('completed')
  })

  it('are recorded when a controller dies before recording', async () => {
    const spec = await world.submit()
    await world.run(spec)
    await dieHoldingOutcomes(false)
    const { metrics } = await world.startController()
    await until(async () => (await backlog()) === 0)
    expect(await metricValue(metrics, 'inferq_jobs_total')).toBe(1)
    expect(await world.stored(spec)).toMatchObject({ status: 'completed', result: { answer: spec.id } })
  })

  it('are recorded once each by two controllers at once', async () => {
    const controllers = [await world.startController({ batchSize: 20 }), await world.startController({ batchSize: 20 })]
    const specs = await Promise.all(
      Array.from({ length: 150 }, (_, i) => world.submit(i % 2 ? { mode: 'interactive' } : {})),
    )
    await Promise.all(specs.map((spec) => world.run(spec)))
    await until(async () => (await backlog()) === 0)
    const counts = await Promise.all(controllers.map(({ metrics }) => metricValue(metrics, 'inferq_jobs_total')))
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(150)
    expect((await postgres.store.listJobs('owner', { limit: 200, status: 'completed' })).jobs).toHaveLength(150)
  })

  it.each(['SIGSTOP', 'SIGKILL'] as const)(
    'wait, and none is lost, while Postgres is away after %s',
    async (signal) => {
      const { metrics } = await world.startController()
      const specs = await Promise.all(Array.from({ length: 20 }, () => world.submit()))
      const pid = postgres.server.pid ?? 0
      process.kill(pid, signal)
      await Promise.all(specs.map((spec) => world.run(spec)))
      if (signal === 'SIGSTOP') {
        // Until the first statement has run into its deadline.
        await until(async () => (await metricValue(metrics, 'inferq_outcome_oldest_seconds')) > 1.2)
        process.kill(pid, 'SIGCONT')
      }
      await until(async () => (await backlog()) === 0)
      for (const spec of specs) {
        expect(await world.stored(spec)).toMatchObject({ status: 'completed', usage: { promptTokens: 3 } })
      }
    },
    40_000,
  )
})

describe('a job whose ingress died after accepting it', () => {
  it('is enqueued once, by whichever controller', async () => {
    await world.startController()
    const { metrics } = await world.startController()
    const spec = jobSpec()
    await postgres.store.insertAccepted([spec])
    await until(async () => (await world.stored(spec)).enqueuedAt)
    expect(await depth()).toBe(1)
    expect(await world.tokenLog.record(spec.id)).toMatchObject({ spec, status: 'queued' })
    expect(await metricValue(metrics, 'inferq_jobs_recovered_total', 'reason="lost"')).toBe(0)
  })

  it('does not run again when it had been enqueued and has ended meanwhile', async () => {
    const spec = jobSpec()
    await postgres.store.insertAccepted([spec])
    await world.tokenLog.open(spec)
    await world.run(spec)
    await world.startController()
    await until(async () => (await world.status(spec)) === 'completed' && (await backlog()) === 0)
    expect(await world.tokenLog.statuses([spec.id])).toEqual(['completed'])
  })
})

describe('a job that is overdue', () => {
  it('expires while it waits: one terminal event, out of the queue, recorded', async () => {
    const spec = await world.submit({ startBy: Date.now() - 1 })
    await world.startController()
    await until(async () => (await world.status(spec)) === 'expired')
    expect(await world.stored(spec)).toMatchObject({ error: { code: 'job_expired' }, attempts: [] })
    expect((await events(spec.id)).filter(({ kind }) => isTerminalKind(kind)).map(({ kind }) => kind)).toEqual(['E'])
    await until(async () => (await depth()) === 0)
  })

  it('expires while it runs, and its worker is told', async () => {
    const listener = await createTestRedis().connect('subscriber')
    onTestFinished(() => listener.disconnect())
    const told: string[] = []
    listener.on('message', (_channel: string, jobId: string) => told.push(jobId))
    await listener.subscribe(world.keys.cancellations())
    const createdAt = Date.now()
    const spec = await world.submit({ finishBy: createdAt + 300 })
    await world.begin(spec)
    await world.startController()
    await until(async () => (await world.status(spec)) === 'expired')
    expect(told).toEqual([spec.id])
  })

  it('goes on when it was started in time', async () => {
    const startBy = Date.now() + 1_500
    const spec = await world.submit({ startBy })
    await world.begin(spec)
    const witness = await world.submit({ startBy: startBy + 1 })
    await world.startController()
    await until(async () => (await world.status(witness)) === 'expired')
    expect(await world.status(spec)).toBe('in_progress')
  })

  it('expires in Postgres alone when Redis does not hold it', async () => {
    const spec = await world.submit({ startBy: Date.now() - 1 })
    await wipeRedis()
    await world.startController({ reconcileEveryMs: 60_000, relayEveryMs: 60_000 })
    await until(async () => (await world.status(spec)) === 'expired')
    expect(await world.stored(spec)).toMatchObject({ error: { code: 'job_expired' } })
  })
})

describe('when Redis loses everything', () => {
  it('every accepted job that has not ended is queued again, and no other', async () => {
    const done = await world.submit()
    await world.run(done)
    const { metrics } = await world.startController()
    await until(async () => (await world.status(done)) === 'completed')
    const [waiting, running, unmarked] = [await world.submit(), await world.submit(), jobSpec()]
    await world.begin(running)
    await until(async () => (await world.status(running)) === 'in_progress')
    await wipeRedis()
    await postgres.store.insertAccepted([unmarked])
    await until(async () => (await depth()) === 3)
    // Positions go on after those of a log that is lost; a job that had started in time has no time to start in any more.
    const base = 1_000_000
    expect(await world.tokenLog.record(waiting.id)).toMatchObject({ spec: waiting, status: 'queued', attempt: base })
    const spec = { ...running, startBy: running.finishBy }
    expect(await world.tokenLog.record(running.id)).toMatchObject({ spec, status: 'queued', attempt: base })
    expect(await world.tokenLog.record(unmarked.id)).toMatchObject({ spec: unmarked, status: 'queued', attempt: 0 })
    await until(async () => (await world.status(running)) === 'queued')
    expect(await world.tokenLog.record(done.id)).toBeNull()
    expect(await metricValue(metrics, 'inferq_jobs_recovered_total', 'reason="lost"')).toBe(2)

    for (const spec of [waiting, running, unmarked]) await world.run(spec)
    await until(async () => (await world.status(unmarked)) === 'completed')
  })

  it('a job whose end is reported and not recorded yet does not run again', async () => {
    const spec = await world.submit()
    await world.run(spec)
    const messages = await dieHoldingOutcomes(false)
    await world.redis.del(world.keys.job(spec.id), world.keys.log(spec.id))
    const lost = await world.submit()
    await world.redis.del(world.keys.job(lost.id), world.keys.log(lost.id))
    // Nobody takes the outcome over for now; the reconciler has to wait for it.
    await world.startController({ takeOverAfterMs: 60_000 })
    await until(async () => (await world.redis.xlen(world.keys.outcomes())) > 0)
    const witness = jobSpec()
    await postgres.store.insertAccepted([witness])
    await until(async () => (await world.stored(witness)).enqueuedAt)
    expect(await world.tokenLog.statuses([spec.id, lost.id])).toEqual([null, null])

    await postgres.store.commitOutcomes(messages)
    const held = await world.redis.xrange(world.keys.outcomes(), '-', '+')
    await world.redis.xdel(world.keys.outcomes(), ...held.map(([id]) => id))
    await until(async () => (await world.tokenLog.statuses([lost.id]))[0] === 'queued')
    expect(await world.tokenLog.statuses([spec.id])).toEqual([null])
    expect(await world.status(spec)).toBe('completed')
  })
})

describe('when Redis is killed', () => {
  it('the controller goes on with it when it is back, and records what was reported before', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'inferq-controller-'))
    const embedded = await startEmbeddedRedis({
      dataDir: join(directory, 'redis'),
      cacheDir: join(import.meta.dirname, '../../../.inferq/cache'),
      log: createSilentLog(),
    })
    const connections = createTestRedis()
    const own = await createWorld(postgres.store, {
      ...connections,
      connect: (role) => connections.connect(role, embedded.url),
    })
    onTestFinished(async () => {
      await own.close()
      await embedded.stop()
      await rm(directory, { recursive: true, force: true })
    })
    await own.startController()
    const specs = await Promise.all(Array.from({ length: 20 }, () => own.submit()))
    await Promise.all(specs.slice(0, 10).map((spec) => own.run(spec)))
    process.kill(embedded.pid ?? 0, 'SIGKILL')
    await until(() => own.redis.status !== 'ready')
    await until(() => own.redis.status === 'ready')
    await Promise.all(specs.slice(10).map((spec) => own.run(spec)))
    for (const spec of specs) await until(async () => (await own.status(spec)) === 'completed')
  })
})

describe('when Redis loses its last second', () => {
  it('a job that kept its record and lost its place gets a place again', async () => {
    const spec = await world.submit()
    await world.queue.remove({ jobId: spec.id, hop: 0, class: 'gpu' })
    expect(await depth()).toBe(0)
    await world.startController()
    await until(async () => (await depth()) === 1)
  })
})

describe('retention', () => {
  it('deletes what ended long ago, and nothing else', async () => {
    await world.startController({ resultKeepMs: () => 1_000 })
    const [old, fresh] = [await world.submit(), await world.submit({ mode: 'interactive' })]
    await world.run(old, { at: Date.now() - 60_000 })
    await world.run(fresh, { at: Date.now() + 60_000 })
    await until(async () => (await world.status(old)) === 'gone')
    await until(async () => (await world.status(fresh)) === 'completed')
  })

  it('keeps bills as long as their jobs, and then for a time of their own', async () => {
    let [resultKeepMs, spendKeepMs] = [3_600_000, 0]
    await world.startController({ resultKeepMs: () => resultKeepMs, spendKeepMs: () => spendKeepMs })
    const [job, other] = [await world.submit(), await world.submit()]
    await world.run(job, { at: Date.now() - 60_000 })
    await world.run(other, { at: Date.now() + 3_600_000 })
    await until(async () => (await world.status(other)) === 'completed')
    expect(await world.stored(job)).toMatchObject({ usage: { promptTokens: 3 } })
    ;[resultKeepMs, spendKeepMs] = [1_000, 3_600_000]
    await until(async () => (await world.status(job)) === 'gone')
    spendKeepMs = 1_000
    await until(async () => (await world.status(job)) === 'unknown')
    expect(await world.stored(other)).toMatchObject({ usage: { promptTokens: 3 } })
  })

  it('forgets idempotency keys after their time', async () => {
    const claim = { owner: 'retention', key: 'old', bodyHash: 'h', leaseMs: 0, keepMs: 60_000 }
    await postgres.store.claimIdempotencyKey({ ...claim, subjectId: 'job_1' })
    await world.startController({ idempotencyKeepMs: 0 })
    const again = { ...claim, bodyHash: 'other', subjectId: 'job_2' }
    await until(async () => (await postgres.store.claimIdempotencyKey(again)).kind === 'claimed')
  })

  it('drops requests after their own time, and leaves the jobs', async () => {
    let promptKeepMs = 3_600_000
    await world.startController({ promptKeepMs: () => promptKeepMs })
    const error = { code: 'upstream_error', message: 'No.' } as const
    const [failed, completed] = [await world.submit(), await world.submit()]
    await world.begin(failed)
    await world.tokenLog.terminate(failed.id, 'failed', { at: Date.now() - 1_000, error })
    await world.run(completed)
    await until(async () => (await world.status(failed)) === 'failed')
    await until(async () => (await world.status(completed)) === 'completed')
    const specOf = ({ id, owner }: JobSpec) => postgres.store.endedSpec(id, owner)
    expect(await specOf(failed)).toMatchObject({ id: failed.id, request: failed.request })
    expect(await specOf(completed)).toBeNull()
    // `retention.prompts: none`, by a reload.
    promptKeepMs = 0
    await until(async () => (await specOf(failed)) === null)
    expect(await world.stored(failed)).toMatchObject({ status: 'failed', error })
  })
})

describe('a composed controller', () => {
  it('migrates, records, and leaves nothing behind', async () => {
    const registry = createMetrics({ nodeMetrics: false })
    const redis = createTestRedis()
    const group = composeController({
      config: () => testConfig(),
      sealer: createSealer('test'),
      redisUrl: redis.url,
      databaseUrl: postgres.server.url,
      namespace: world.keys.namespace,
      clock: createSystemClock(),
      log: createSilentLog(),
      registry,
      metrics: createInferqMetrics(registry),
      options: { lingerMs: 0 },
    })
    await group.start()
    const spec = await world.submit()
    await world.run(spec)
    await until(async () => (await world.status(spec)) === 'completed')
    await group.stop()
    expect(await world.redis.xinfo('CONSUMERS', world.keys.outcomes(), 'controllers')).toEqual([])
  })

  it('says what is missing when it cannot start, and leaves nothing open', async () => {
    const registry = createMetrics({ nodeMetrics: false })
    const group = composeController({
      config: () => testConfig(),
      sealer: createSealer('test'),
      redisUrl: createTestRedis().url,
      databaseUrl: 'postgres://postgres@127.0.0.1:1/postgres',
      clock: createSystemClock(),
      log: createSilentLog(),
      registry,
      metrics: createInferqMetrics(registry),
    })
    await expect(group.start()).rejects.toThrow('The database does not answer')
  })
})
