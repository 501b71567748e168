import { describe, expect, it } from 'vitest'
import { longestSilenceMs, recoveryMs } from '../cells/recovery.ts'
import { bodyOf } from '../load/call.ts'
import { createEventsCheck } from '../load/events-check.ts'
import { isRetryable, waitBeforeRetryMs } from '../load/sdk-retries.ts'
import { countBursts, readStamps, withoutStamps } from '../load/stamps.ts'

describe('stamps in the text of a stream', () => {
  it('are read from every token of a piece, and taken out of it', () => {
    const piece = 'One@1795204843000.25 two@1795204843050.00'
    expect(readStamps(piece)).toEqual([1795204843000.25, 1795204843050])
    expect(withoutStamps(piece)).toBe('One two')
    expect(readStamps('no stamp, though a@b and @5')).toEqual([])
  })

  it('tell tokens that came together though they were emitted apart', () => {
    const tokens = [
      { emittedAtMs: 0, arrivedAtMs: 60 },
      { emittedAtMs: 50, arrivedAtMs: 60.5 },
      { emittedAtMs: 60, arrivedAtMs: 60.9 },
      { emittedAtMs: 110, arrivedAtMs: 112 },
    ]
    expect(countBursts(tokens)).toEqual({ apart: 2, together: 1 })
    expect(countBursts([])).toEqual({ apart: 0, together: 0 })
  })
})

describe('the body of a call', () => {
  const call = { model: 'm', stream: false, expected: { text: '', tokens: 0 } }

  it('is as long as asked, about', () => {
    const length = bodyOf({ ...call, bodyBytes: 400 * 1024 }).length
    expect(length).toBeGreaterThanOrEqual(400 * 1024)
    expect(length).toBeLessThan(401 * 1024)
    expect(bodyOf(call).length).toBeLessThan(250)
  })
})

describe('a client that does as the SDK', () => {
  it('waits half a second, then a second, shorter by up to a quarter', () => {
    expect([0, 1].map((retries) => waitBeforeRetryMs(retries, undefined, () => 0))).toEqual([500, 1_000])
    expect(waitBeforeRetryMs(0, undefined, () => 1)).toBe(375)
    expect(waitBeforeRetryMs(9, undefined, () => 0)).toBe(8_000)
  })

  it('does what Retry-After says, under a minute', () => {
    expect(waitBeforeRetryMs(0, '2', () => 0)).toBe(2_000)
    expect(waitBeforeRetryMs(0, '60', () => 0)).toBe(500)
    expect(waitBeforeRetryMs(0, 'soon', () => 0)).toBe(500)
  })

  it('asks again after what may pass', () => {
    expect([408, 409, 429, 500, 503].every(isRetryable)).toBe(true)
    expect([200, 400, 401, 404].some(isRetryable)).toBe(false)
  })
})

describe('a reader of the events of a job', () => {
  const expected = { text: 'One two.', tokens: 3 }
  const event = (id: string, name: string, data: object = {}): string =>
    `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`
  const read = (...pieces: string[]) => {
    let seen = 0
    const check = createEventsCheck(expected, () => {
      seen += 1
    })
    for (const piece of pieces) check.take(piece)
    return { check, seen }
  }

  it('has the whole text over two connections, the torn event once', () => {
    const { check } = read(
      ': position=1\n\n',
      event('0-1', 'job.queued'),
      event('1-1', 'output.delta', { text: 'One' }),
    )
    check.take('id: 1-2\nevent: output.del')
    check.restart()
    expect([check.lastId, check.hasEnded]).toEqual(['1-1', false])
    check.take(event('1-2', 'output.delta', { text: ' two.' }) + event('1-3', 'job.completed'))
    expect([check.lastId, check.hasEnded, check.fault()]).toEqual(['1-3', true, null])
  })

  it('starts over after a reset', () => {
    const again = [event('2-0', 'output.reset'), event('2-1', 'output.delta', { text: 'One two.' })]
    const { check, seen } = read(event('1-1', 'output.delta', { text: 'On' }), ...again, event('2-2', 'job.completed'))
    expect([check.fault(), seen]).toEqual([null, 2])
  })

  it('says what is wrong', () => {
    expect(read(event('1-1', 'job.failed')).check.fault()).toBe('job.failed')
    expect(read(event('1-1', 'job.completed')).check.fault()).toBe('another text than the upstream sent')
    expect(read(event('1-1', 'job.started')).check.fault()).toBe('no end of its events')
  })
})

describe('what a fault does to the flow of text', () => {
  const every = (stepMs: number, fromMs: number, toMs: number): number[] =>
    Array.from({ length: Math.floor((toMs - fromMs) / stepMs) + 1 }, (_, index) => fromMs + index * stepMs)

  it('is nothing where text keeps coming', () => {
    const steady = [every(25, 0, 10_000), every(25, 0, 10_000)]
    expect(recoveryMs(steady, 1_010, 10_000)).toBe(0)
    expect(longestSilenceMs(steady, 1_010, 10_000)).toBe(25)
  })

  it('lasts until the last client has got text again, whatever was still on its way', () => {
    const arrivals = [
      [...every(25, 0, 1_025), ...every(25, 3_000, 10_000)],
      [...every(25, 0, 1_000), ...every(25, 2_000, 10_000)],
    ]
    expect(recoveryMs(arrivals, 1_010, 10_000)).toBe(1_990)
    expect(longestSilenceMs(arrivals, 1_010, 10_000)).toBe(975)
  })

  it('has no end where a client gets nothing any more', () => {
    expect(recoveryMs([every(25, 0, 10_000), every(25, 0, 4_000)], 1_010, 10_000)).toBeNull()
    expect(recoveryMs([every(25, 0, 10_000), []], 1_010, 10_000)).toBeNull()
    expect(longestSilenceMs([every(25, 0, 1_000), []], 1_010, 10_000)).toBe(8_990)
    expect(longestSilenceMs([every(25, 0, 1_000), [12_000, 12_025]], 1_010, 10_000)).toBe(10_990)
  })
})
