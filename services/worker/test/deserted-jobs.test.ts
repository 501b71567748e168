import { referenceTo } from '@inferq/queue'
import { createDeadline, createSystemClock } from '@inferq/runtime'
import { createLogger } from '@inferq/telemetry'
import { createJobSpec, createTestRedis, until } from '@inferq/testkit'
import { createTokenLog } from '@inferq/tokenlog'
import { expect, it, onTestFinished } from 'vitest'
import { createDesertedJobs } from '../src/deserted-jobs.ts'
import type { AttemptRunner } from '../src/run-attempt.ts'

const clock = createSystemClock()

async function createBench() {
  const server = createTestRedis()
  onTestFinished(() => server.close())
  const redis = await server.connect()
  const tokenLog = createTokenLog({ redis, keys: server.keys, clock })
  const log = createLogger({ service: 'worker', destination: { write() {} } })
  const stopped: string[] = []
  let looks = 0
  const counted: Pick<typeof tokenLog, 'deserted'> = {
    deserted(jobIds) {
      looks++
      return tokenLog.deserted(jobIds)
    },
  }
  const deserted = createDesertedJobs({
    ...{ tokenLog: counted, clock, log, lookEveryMs: 10 },
    onDeserted: (jobId) => stopped.push(jobId),
  })
  await deserted.service.start()
  onTestFinished(async () => deserted.service.stop(createDeadline(clock, { timeoutMs: 1_000, what: 'stop' })))

  /** A job that an ingress has opened, at work here until `end`. */
  const run = async (watcher: string, overrides: Parameters<typeof createJobSpec>[0] = {}) => {
    const spec = createJobSpec({ mode: 'interactive', keepResult: false, ...overrides })
    await tokenLog.open(spec, watcher)
    const begun = await tokenLog.begin(spec.id, { hop: 0, class: 'gpu', worker: 'w', maxTries: 3 })
    if (begun.kind !== 'begun') throw new Error(begun.kind)
    const ended = Promise.withResolvers<{ kind: 'done' }>()
    const attempt: AttemptRunner = () => ended.promise
    const reference = referenceTo(spec, 0)
    const running = deserted.guard(attempt)(begun, reference, new AbortController().signal)
    return {
      id: spec.id,
      async end() {
        ended.resolve({ kind: 'done' })
        await running
      },
    }
  }
  const ingress = async (id: string) => {
    const subscriber = await server.connect('subscriber')
    await subscriber.subscribe(server.keys.replies(id))
    return subscriber
  }
  const looked = async (times: number) => {
    const from = looks
    await until(() => looks - from > times)
  }
  return { stopped, run, ingress, looked }
}

it('a job is stopped when the ingress whose client waited for it is gone, and no other one', async () => {
  const { stopped, run, ingress, looked } = await createBench()
  const doomed = await ingress('ingress_a')
  await ingress('ingress_b')
  const orphan = await run('ingress_a')
  await run('ingress_b')
  await run('ingress_a,ingress_b')
  await run('')
  await run('ingress_a', { keepResult: true })
  await run('ingress_a', { mode: 'async' })
  await looked(10)
  expect(stopped).toEqual([])
  doomed.disconnect()
  await until(() => stopped.length > 0)
  await orphan.end()
  await looked(10)
  expect(new Set(stopped)).toEqual(new Set([orphan.id]))
})

it('an ingress that comes back in time keeps its jobs; of one that is gone the next job is stopped at the next look', async () => {
  const { stopped, run, ingress, looked } = await createBench()
  const first = await run('ingress_a')
  await looked(2)
  const back = await ingress('ingress_a')
  await looked(10)
  expect(stopped).toEqual([])
  back.disconnect()
  await until(() => stopped.includes(first.id))
  const next = await run('ingress_a')
  await looked(1)
  expect(stopped).toContain(next.id)
})
