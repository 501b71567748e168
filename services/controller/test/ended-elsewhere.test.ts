import { type EndMessage, type EndPayload, isTerminalKind, type JobSpec, type TerminalStatus } from '@inferq/contracts'
import { inspectOutcomes } from '@inferq/queue'
import { until } from '@inferq/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createWorld, startTestPostgres, type TestPostgres, type World } from './support.ts'

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

const depth = async () => (await world.queue.depth('gpu')).waiting
const ends = async ({ id }: JobSpec) =>
  ((await world.tokenLog.read(id, null)) ?? [])
    .filter(({ kind }) => isTerminalKind(kind))
    .map(({ kind, payload }) => ({ kind, end: JSON.parse(payload) as EndPayload }))

/** Recorded while Redis holds an older state of the job, as after a failover to a replica that lagged behind. */
async function endInPostgres(spec: JobSpec, status: TerminalStatus, end: Partial<EndMessage> = {}): Promise<void> {
  const { id: jobId, type, operation, mode, tier, owner, model, requestId, metadata, createdAt } = spec
  const fixed = { jobId, type, operation, mode, tier, owner, model, servedModel: model, requestId, metadata, createdAt }
  const message: EndMessage = {
    ...{ kind: 'end', ...fixed, class: 'gpu', status, endedAt: Date.now(), attempts: [], costNanoUsd: 7, ...end },
  }
  await postgres.store.commitOutcomes([message])
}

describe('a job that Redis holds and Postgres has ended', () => {
  it('leaves the queue with the end that is recorded, once, and the bill stays as it is', async () => {
    const [completed, expired, open] = [await world.submit(), await world.submit(), await world.submit()]
    await endInPostgres(completed, 'completed', {
      result: { answer: 'kept' },
      usage: { promptTokens: 3, completionTokens: 5 },
      finishReason: 'stop',
    })
    const error = { code: 'job_expired', message: 'The job was not started in time.' } as const
    await endInPostgres(expired, 'expired', { error, costNanoUsd: null })
    expect(await depth()).toBe(3)

    await world.startController()
    await until(async () => (await depth()) === 1)
    await until(async () => (await inspectOutcomes(world.redis, world.keys)).length === 0)
    expect(await ends(completed)).toEqual([
      {
        kind: 'C',
        end: expect.objectContaining({
          result: { answer: 'kept' },
          usage: { promptTokens: 3, completionTokens: 5 },
          costNanoUsd: 7,
          finishReason: 'stop',
        }),
      },
    ])
    expect(await ends(expired)).toEqual([{ kind: 'E', end: expect.objectContaining({ error }) }])
    expect(await world.stored(completed)).toMatchObject({
      status: 'completed',
      result: { answer: 'kept' },
      costNanoUsd: 7,
    })
    expect(await world.stored(expired)).toMatchObject({ status: 'expired', error })
    expect(await world.tokenLog.statuses([open.id])).toEqual(['queued'])
  })

  it('is cancelled where it runs, and what its attempt still says is refused', async () => {
    const spec = await world.submit()
    const attempt = await world.begin(spec)
    await endInPostgres(spec, 'failed', { error: { code: 'upstream_error', message: 'No.' } })
    const cancelled: string[] = []
    const subscriber = await world.connectSubscriber()
    subscriber.on('message', (_channel, jobId) => cancelled.push(jobId))
    await subscriber.subscribe(world.keys.cancellations())

    await world.startController()
    await until(() => cancelled.includes(spec.id))
    expect(await ends(spec)).toMatchObject([{ kind: 'F', end: { error: { code: 'upstream_error' } } }])
    const writer = world.tokenLog.writer(spec.id, attempt)
    writer.text('late')
    await writer.flush().catch(() => {})
    expect(writer.fencedBy).toBeDefined()
  })

  it('is found when Redis comes back, however long the controller has been there', async () => {
    await world.startController({ endedElsewhereEveryMs: 3_600_000 })
    const before = await world.submit()
    await world.run(before)
    await until(async () => (await world.status(before)) === 'completed')
    const spec = await world.submit()
    await endInPostgres(spec, 'cancelled')
    // Reconnects by itself.
    const id = await world.redis.client('ID')
    await world.redis.call('CLIENT', 'KILL', 'ID', String(id), 'SKIPME', 'no').catch(() => {})
    await until(async () => (await ends(spec)).length === 1)
    expect(await ends(spec)).toMatchObject([{ kind: 'K' }])
  })
})
