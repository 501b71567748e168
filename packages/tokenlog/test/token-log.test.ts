import { type EndMessage, jobMoves, jobStatuses, nextStatus, type OutcomeMessage } from '@inferq/contracts'
import { until } from '@inferq/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bench, begin, createBench, createSpec, ids, textOf } from './support.ts'

let bench: Bench

beforeAll(async () => {
  bench = await createBench()
})
afterAll(async () => {
  await bench.server.close()
})

const end = () => ({ at: Date.now(), usage: { promptTokens: 1, completionTokens: 2 } })

async function reports(jobId: string): Promise<OutcomeMessage[]> {
  const entries = await bench.redis.xrange(bench.server.keys.outcomes(), '-', '+')
  return entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as OutcomeMessage).filter((m) => m.jobId === jobId)
}

describe('a job that goes well', () => {
  it('has its log read back in order: queued, started, output, one terminal entry', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    writer.text('Hello')
    await writer.flush()
    writer.text(' wor')
    writer.text('ld')
    writer.deltas([{ index: 0, finish_reason: 'stop' }])
    await writer.flush()
    expect(await tokenLog.finish(record, { ...attempt, outcome: 'completed' }, 'completed', end())).toBe('ended')

    const entries = await tokenLog.read(spec.id, null)
    expect(ids(entries)).toEqual(['0-1 q', '1-0 s', '1-1 t', '1-2 t', '1-3 d', '1-4 C'])
    expect(textOf(entries ?? [])).toBe('Hello world')
    expect(ids(await tokenLog.read(spec.id, { attempt: 1, seq: 2 }))).toEqual(['1-3 d', '1-4 C'])
    expect((await tokenLog.record(spec.id))?.status).toBe('completed')
  })

  it('is reported for the record of truth with its end, once', async () => {
    const { tokenLog } = bench
    const spec = createSpec({ metadata: { doc: '42' } })
    await tokenLog.open(spec)
    const { record, attempt } = await begin(tokenLog, spec.id)
    await tokenLog.finish(record, attempt, 'completed', { ...end(), result: { text: 'kept' } })
    expect(await tokenLog.finish(record, attempt, 'completed', end())).toBe('superseded')
    expect(await tokenLog.terminate(spec.id, 'cancelled', end())).toBe('superseded')

    const [start, message, ...others] = await reports(spec.id)
    expect(start).toMatchObject({ kind: 'start', attempt: 1 })
    expect(message).toMatchObject({
      kind: 'end',
      status: 'completed',
      metadata: { doc: '42' },
      usage: { promptTokens: 1, completionTokens: 2 },
      result: { text: 'kept' },
      costNanoUsd: null,
    })
    expect((message as EndMessage).attempts).toHaveLength(1)
    expect(others).toEqual([])
  })

  it('keeps no result of a job that does not ask for it, and no request once an interactive one has ended', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec({ mode: 'interactive', keepResult: false })
    await tokenLog.open(spec)
    const { record, attempt } = await begin(tokenLog, spec.id)
    await tokenLog.finish(record, attempt, 'completed', { ...end(), result: { text: 'secret' } })
    const [message] = await reports(spec.id)
    expect(message).not.toHaveProperty('result')
    expect(await redis.hexists(server.keys.job(spec.id), 'spec')).toBe(0)
    expect(await redis.pttl(server.keys.job(spec.id))).toBeGreaterThan(0)
  })

  it('has, if interactive, no log before its first attempt; readers who come early wait for it', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec({ mode: 'interactive' })
    await tokenLog.open(spec)
    expect(await redis.exists(server.keys.log(spec.id))).toBe(0)
    expect(await tokenLog.read(spec.id, null)).toEqual([])
    expect(await tokenLog.attach(spec.id, 'in_early', null)).toEqual([])
    const { record, attempt } = await begin(tokenLog, spec.id)
    expect(await redis.pttl(server.keys.log(spec.id))).toBeGreaterThan(0)
    expect(await redis.hget(server.keys.job(spec.id), 'watch')).toBe('in_early')
    await tokenLog.finish(record, attempt, 'completed', end())
    expect(ids(await tokenLog.read(spec.id, null))).toEqual(['1-0 s', '1-1 C'])
    tokenLog.discard(spec.id)
    await until(async () => (await tokenLog.read(spec.id, null)) === null)
  })

  it('is opened once however often it is asked for', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    await begin(tokenLog, spec.id)
    await tokenLog.open({ ...spec, model: 'other' })
    const record = await tokenLog.record(spec.id)
    expect(record).toMatchObject({ status: 'in_progress', attempt: 1, spec: { model: 'm' } })
  })
})

describe('fencing', () => {
  it('refuses every write of a zombie once a newer attempt has begun', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const zombie = await begin(tokenLog, spec.id)
    zombie.writer.text('old')
    await zombie.writer.flush()
    const live = await begin(tokenLog, spec.id)

    zombie.writer.text('late')
    await expect(zombie.writer.flush()).rejects.toThrow(/fenced/)
    expect(zombie.writer.fencedBy).toBeDefined()
    expect(await tokenLog.finish(zombie.record, zombie.attempt, 'completed', end())).toBe('superseded')
    expect(
      await tokenLog.release(spec.id, zombie.attempt, {
        move: 'retry',
        reason: 'r',
        delayMs: 0,
        hop: 0,
        class: 'first',
      }),
    ).toBe('superseded')

    live.writer.text('new')
    await live.writer.flush()
    await tokenLog.finish(live.record, live.attempt, 'completed', end())
    expect(ids(await tokenLog.read(spec.id, null))).toEqual([
      '0-1 q',
      '1-0 s',
      '1-1 t',
      '2-0 s',
      '2-1 x',
      '2-2 t',
      '2-3 C',
    ])
    expect((await tokenLog.record(spec.id))?.attempts).toMatchObject([{ attempt: 1, outcome: 'lost' }, { attempt: 2 }])
  })

  it('lets nothing be written after the terminal entry', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    await tokenLog.finish(record, attempt, 'failed', end())
    writer.text('after')
    await expect(writer.flush()).rejects.toThrow()
    expect(ids(await tokenLog.read(spec.id, null)).at(-1)).toBe('1-1 F')
  })

  it('stops a running attempt when the job is terminated from outside', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const { record, attempt, writer } = await begin(tokenLog, spec.id)
    expect(await tokenLog.terminate(spec.id, 'expired', end())).toBe('ended')
    writer.text('after')
    await expect(writer.flush()).rejects.toThrow()
    expect(await tokenLog.finish(record, attempt, 'completed', end())).toBe('superseded')
    expect(ids(await tokenLog.read(spec.id, null))).toEqual(['0-1 q', '1-0 s', '2-0 E'])
  })

  it.each([
    ['failed', 'lost'],
    ['expired', 'expired'],
    ['cancelled', 'cancelled'],
  ] as const)('says of an attempt that ran when the job was terminated as %s: %s', async (status, outcome) => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    await begin(tokenLog, spec.id)
    expect(await tokenLog.terminate(spec.id, status, end())).toBe('ended')
    const attempts = [{ attempt: 1, worker: 'w', outcome }]
    expect((await reports(spec.id)).at(-1)).toMatchObject({ kind: 'end', attempts })
    expect(await tokenLog.record(spec.id)).toMatchObject({ attempts })
  })

  it('takes its own entry, sent again after a reconnect, for written', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const { writer } = await begin(tokenLog, spec.id)
    await redis.xadd(server.keys.log(spec.id), '1-1', 't', 'once')
    writer.text('once')
    await writer.flush()
    expect(ids(await tokenLog.read(spec.id, null))).toEqual(['0-1 q', '1-0 s', '1-1 t'])
  })

  it('does not bring a log back that is gone', async () => {
    const { tokenLog, redis, server } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const { writer } = await begin(tokenLog, spec.id)
    await redis.del(server.keys.log(spec.id))
    writer.text('late')
    await expect(writer.flush()).rejects.toThrow(/fenced/)
    expect(await tokenLog.read(spec.id, null)).toBeNull()
  })
})

describe('begin', () => {
  const start = { hop: 0, class: 'first', worker: 'w', maxTries: 2 }

  it('knows nothing of a job that was never opened', async () => {
    expect(await bench.tokenLog.begin('job_none', start)).toEqual({ kind: 'unknown' })
  })

  it('says that a job has moved on to another queue', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const first = await begin(tokenLog, spec.id)
    await tokenLog.release(spec.id, first.attempt, {
      move: 'fallback',
      reason: 'r',
      delayMs: 0,
      hop: 1,
      class: 'second',
    })
    expect(await tokenLog.begin(spec.id, start)).toMatchObject({ kind: 'superseded', record: { hop: 1 } })
    expect(await tokenLog.begin(spec.id, { ...start, hop: 1 })).toMatchObject({ kind: 'begun', attempt: 2 })
  })

  it('refuses a job that is cancelled, too late, or out of tries, and says why', async () => {
    const { tokenLog } = bench
    const cancelled = createSpec()
    await tokenLog.open(cancelled)
    expect(await tokenLog.requestCancel(cancelled.id)).toBe('queued')
    expect(await tokenLog.begin(cancelled.id, start)).toMatchObject({ kind: 'refused', why: 'cancelled' })

    const late = createSpec({ startBy: Date.now() - 1 })
    await tokenLog.open(late)
    expect(await tokenLog.begin(late.id, start)).toMatchObject({ kind: 'refused', why: 'expired' })

    const poison = createSpec()
    await tokenLog.open(poison)
    await begin(tokenLog, poison.id)
    await begin(tokenLog, poison.id)
    expect(await tokenLog.begin(poison.id, start)).toMatchObject({ kind: 'refused', why: 'exhausted' })
  })

  it('takes the try of a requeue back, and not that of a retry', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    for (const [move, tries] of [
      ['requeue', 0],
      ['retry', 1],
      ['requeue', 1],
    ] as const) {
      const { attempt } = await begin(tokenLog, spec.id)
      await tokenLog.release(spec.id, attempt, { move, reason: 'r', delayMs: 5, hop: 0, class: 'first' })
      expect((await tokenLog.record(spec.id))?.tries).toBe(tries)
    }
    expect(await tokenLog.begin(spec.id, start)).toMatchObject({ kind: 'begun', attempt: 4 })
  })

  it('says whether readers have output of earlier attempts, until it is declared void', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const quiet = await begin(tokenLog, spec.id)
    await tokenLog.release(spec.id, quiet.attempt, { move: 'requeue', reason: 'r', delayMs: 0, hop: 0, class: 'first' })
    const loud = await begin(tokenLog, spec.id)
    loud.writer.text('shown')
    await loud.writer.flush()
    await tokenLog.release(spec.id, loud.attempt, { move: 'retry', reason: 'r', delayMs: 0, hop: 0, class: 'first' })
    expect([quiet.shown, loud.shown]).toEqual([false, false])

    const start = { hop: 0, class: 'first', worker: 'w', maxTries: 10 }
    // Two workers die before they show anything: what the readers have is still the second attempt's.
    expect(await tokenLog.begin(spec.id, start)).toMatchObject({ attempt: 3, shown: true })
    expect(await tokenLog.begin(spec.id, start)).toMatchObject({ attempt: 4, shown: true })
    await begin(tokenLog, spec.id, 0, 10)
    expect(await tokenLog.begin(spec.id, start)).toMatchObject({ attempt: 6, shown: false })
    expect(ids(await tokenLog.read(spec.id, null))).toEqual([
      ...['0-1 q', '1-0 s', '1-1 r', '2-0 s', '2-1 t', '2-2 r'],
      ...['3-0 s', '4-0 s', '5-0 s', '5-1 x', '6-0 s'],
    ])
  })

  it('counts tries anew after a hop', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const first = await begin(tokenLog, spec.id)
    await tokenLog.release(spec.id, first.attempt, { move: 'retry', reason: 'r', delayMs: 0, hop: 0, class: 'first' })
    const second = await begin(tokenLog, spec.id)
    expect(second.record.tries).toBe(1)
    const hop = { move: 'fallback', reason: 'r', delayMs: 0, hop: 2, class: 'third' } as const
    await tokenLog.release(spec.id, second.attempt, hop)
    expect(await tokenLog.record(spec.id)).toMatchObject({ hop: 2, tries: 0, attempt: 2 })
  })

  it('names the deployment with the first output, and never without', async () => {
    const { tokenLog } = bench
    const spec = createSpec()
    await tokenLog.open(spec)
    const silent = await begin(tokenLog, spec.id)
    silent.writer.serve({ model: 'm', deployment: 'one' })
    await silent.writer.flush()
    const { writer } = await begin(tokenLog, spec.id)
    writer.serve({ model: 'm', deployment: 'two' })
    writer.text('Hello')
    writer.text(' there')
    await writer.flush()
    const entries = await tokenLog.read(spec.id, { attempt: 1, seq: 0 })
    expect(ids(entries)).toEqual(['2-0 s', '2-1 m', '2-2 t'])
    expect(JSON.parse(entries?.[1]?.payload ?? '')).toEqual({ model: 'm', deployment: 'two' })
  })

  it('meets an ended job with nothing left to do', async () => {
    const { tokenLog } = bench
    const spec = createSpec({ mode: 'interactive' })
    await tokenLog.open(spec)
    const { record, attempt } = await begin(tokenLog, spec.id)
    await tokenLog.finish(record, attempt, 'completed', end())
    expect(await tokenLog.begin(spec.id, start)).toEqual({ kind: 'ended' })
  })
})

it('follows the state machine of contracts in every script', async () => {
  const { tokenLog } = bench
  const reach = async (status: (typeof jobStatuses)[number]) => {
    const spec = createSpec()
    await tokenLog.open(spec)
    if (status === 'queued') return { spec, attempt: { attempt: 0, hop: 0, class: 'first', worker: 'w', startedAt: 0 } }
    const begun = await begin(tokenLog, spec.id)
    if (status !== 'in_progress') await tokenLog.finish(begun.record, begun.attempt, status, end())
    return { spec, attempt: begun.attempt }
  }
  for (const status of jobStatuses) {
    for (const move of jobMoves) {
      const { spec, attempt } = await reach(status)
      if (move === 'start') {
        await tokenLog.begin(spec.id, { hop: 0, class: 'first', worker: 'w', maxTries: 9 })
      } else if (move === 'requeue' || move === 'retry' || move === 'fallback') {
        await tokenLog.release(spec.id, attempt, { move, reason: 'r', delayMs: 0, hop: 0, class: 'first' })
      } else {
        const to = { complete: 'completed', fail: 'failed', cancel: 'cancelled', expire: 'expired' } as const
        // Nothing completes without an attempt: `complete` is only ever asked by `finish`.
        if (move === 'complete' && status === 'queued') continue
        await tokenLog.terminate(spec.id, to[move], end())
      }
      expect(`${status} ${move} ${(await tokenLog.record(spec.id))?.status}`).toBe(
        `${status} ${move} ${nextStatus(status, move) ?? status}`,
      )
    }
  }
})

it('coalesces output that comes faster than the flush interval, and loses none', async () => {
  const { tokenLog } = bench
  const spec = createSpec()
  await tokenLog.open(spec)
  const { writer } = await begin(tokenLog, spec.id)
  let expected = ''
  for (let i = 0; i < 2_000; i++) {
    writer.text(`${i} `)
    expected += `${i} `
    if (i % 50 === 0) await new Promise(setImmediate)
  }
  await writer.flush()
  const entries = (await tokenLog.read(spec.id, null, 5_000)) ?? []
  expect(textOf(entries)).toBe(expected)
  expect(entries.length).toBeLessThan(500)
})

it('forgets a delivered log soon, and in batches', async () => {
  const { tokenLog, redis, server } = bench
  const specs = [createSpec(), createSpec()]
  for (const spec of specs) {
    await tokenLog.open(spec)
    tokenLog.discard(spec.id)
  }
  await until(async () => (await redis.exists(...specs.map((spec) => server.keys.log(spec.id)))) === 0)
})

it('tells the states of many jobs in the order asked', async () => {
  const { tokenLog } = bench
  const spec = createSpec()
  await tokenLog.open(spec)
  expect(await tokenLog.statuses(['job_none', spec.id])).toEqual([null, 'queued'])
})

it('answers that it is not available when Redis is away', async () => {
  const away = await createBench()
  away.redis.disconnect()
  await expect(away.tokenLog.open(createSpec())).rejects.toMatchObject({ code: 'service_unavailable' })
  await away.server.close()
})
