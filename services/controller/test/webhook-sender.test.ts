import { createSystemClock } from '@inferq/runtime'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { afterAttempt, parseRetryAfter, retryWaitsMs, type SendResult } from '../src/webhooks/retry-schedule.ts'
import { createSender, type Resolve } from '../src/webhooks/send.ts'
import { type Receiver, startReceiver } from './webhook-support.ts'

let receiver: Receiver
beforeEach(async () => {
  receiver = await startReceiver()
})
afterEach(() => receiver.stop())

const clock = createSystemClock()
const loopback = { address: '127.0.0.1', family: 4 }
const strict = { allowPrivate: false, ports: [] } as const
const local = { allowPrivate: ['127.0.0.0/8'], ports: [] } as const

const sendTo = (url: string, resolve: Resolve, policy: Parameters<typeof createSender>[0]['policy'] = () => strict) =>
  createSender({ policy, resolve, clock }).send({ url, headers: {}, body: '{}', signal: AbortSignal.timeout(5_000) })

describe('the sender', () => {
  it('refuses a name that leads to a private address', async () => {
    const result = await sendTo(`http://inside.example:${receiver.port}/`, async () => [loopback])
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'address_refused' } })
    expect(receiver.received).toEqual([])
  })

  it('refuses private addresses written any way, without asking anybody', async () => {
    const resolve: Resolve = () => Promise.reject(new Error('must not be asked'))
    for (const host of [
      '127.0.0.1',
      '0x7f.1',
      '2130706433',
      '[::1]',
      '[::ffff:127.0.0.1]',
      'localhost',
      '169.254.169.254',
    ]) {
      const result = await sendTo(`http://${host}:${receiver.port}/`, resolve)
      expect([host, result]).toMatchObject([host, { error: { code: 'address_refused' } }])
    }
    expect(receiver.received).toEqual([])
  })

  it('connects to the address that it looked at, and asks for the name once', async () => {
    const answers = [[loopback], [{ address: '10.0.0.1', family: 4 }]]
    let asked = 0
    const result = await sendTo(
      `http://rebinding.example:${receiver.port}/x`,
      async () => answers[asked++] ?? [],
      () => local,
    )
    expect(result).toEqual({ kind: 'answered', status: 204 })
    expect(asked).toBe(1)
    expect(receiver.received[0]?.headers.host).toBe(`rebinding.example:${receiver.port}`)
  })

  it('never reaches a private address, whatever a name says and when it says it', async () => {
    const addresses = fc.constantFrom('127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '127.1.2.3', '::ffff:7f00:1')
    const turn = fc.array(addresses, { maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 4 }), async (turns) => {
        let asked = 0
        const resolve: Resolve = async () => {
          const answer = turns[asked % turns.length] ?? []
          asked += 1
          return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
        }
        for (const _ of turns) {
          expect(await sendTo(`http://any.example:${receiver.port}/`, resolve)).toMatchObject({
            ...{ kind: 'failed', error: { code: 'address_refused' } },
          })
        }
        expect(asked).toBe(turns.length)
      }),
      { numRuns: 50 },
    )
    expect(receiver.received).toEqual([])
  })

  it('goes only to those of several addresses that are allowed', async () => {
    // The receiver listens at the one that is not; at the other nobody does.
    const both: Resolve = async () => [loopback, { address: '127.0.0.2', family: 4 }]
    const policy = () => ({ allowPrivate: ['127.0.0.2/32'], ports: [] })
    const result = await sendTo(`http://both.example:${receiver.port}/`, both, policy)
    expect(result).toMatchObject({ kind: 'failed', error: { code: 'unreachable' } })
    expect(receiver.received).toEqual([])
  })

  it('says what failed without saying what was sent', async () => {
    const unresolved = await sendTo('http://nowhere.example/secret', () => {
      return Promise.reject(Object.assign(new Error('getaddrinfo nowhere.example'), { code: 'ENOTFOUND' }))
    })
    expect(unresolved).toEqual({
      kind: 'failed',
      error: { code: 'unresolved', message: 'The name could not be looked up (ENOTFOUND).' },
    })
    const { port } = receiver
    await receiver.stop()
    const unreachable = await sendTo(
      `http://127.0.0.1:${port}/secret`,
      async () => [],
      () => local,
    )
    expect(unreachable).toEqual({
      kind: 'failed',
      error: { code: 'unreachable', message: 'The connection failed (ECONNREFUSED).' },
    })
    receiver = await startReceiver()
  })

  it('keeps to the ports that are allowed', async () => {
    const policy = () => ({ ...local, ports: [443] })
    expect(await sendTo(receiver.url, async () => [], policy)).toMatchObject({ error: { code: 'address_refused' } })
  })
})

describe('after an attempt', () => {
  const failed: SendResult = { kind: 'failed', error: { code: 'timeout', message: '' } }
  const decide = (result: SendResult, attempt: number, random = 0) =>
    afterAttempt({ result, attempt, maxAttempts: 8, waitsMs: retryWaitsMs, random })

  it('the waits grow to ten hours, over a day in all, and then it is given up', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7].map((attempt) => decide(failed, attempt))
    const seconds = waits.map((next) => (next.kind === 'retry' ? next.inMs / 1000 : null))
    expect(seconds).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000])
    expect(seconds.reduce((sum, wait) => (sum ?? 0) + (wait ?? 0))).toBeGreaterThan(86_400)
    expect(decide(failed, 8)).toEqual({ kind: 'abandoned' })
  })

  it('2xx delivers, 410 ends, anything else is tried again', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), fc.integer({ min: 1, max: 7 }), (status, attempt) => {
        const { kind } = decide({ kind: 'answered', status }, attempt)
        expect(kind).toBe(status >= 200 && status < 300 ? 'delivered' : status === 410 ? 'failed' : 'retry')
      }),
    )
  })

  it('a wait is never shorter than the schedule, nor than what was asked for, nor longer than ten hours and a fifth', () => {
    const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.nat(10 ** 9), random, (attempt, retryAfterMs, part) => {
        const next = decide({ kind: 'answered', status: 503, retryAfterMs }, attempt, part)
        if (next.kind !== 'retry') throw new Error(next.kind)
        expect(next.inMs).toBeGreaterThanOrEqual(retryWaitsMs[Math.min(attempt, 6) - 1] ?? 0)
        expect(next.inMs).toBeGreaterThanOrEqual(Math.min(retryAfterMs, 36_000_000))
        expect(next.inMs).toBeLessThanOrEqual(43_200_000)
      }),
    )
  })

  it('Retry-After is read as seconds or as a date', () => {
    const now = Date.UTC(2030, 0, 1)
    expect(parseRetryAfter('120', now)).toBe(120_000)
    expect(parseRetryAfter(new Date(now + 60_000).toUTCString(), now)).toBe(60_000)
    expect(parseRetryAfter(new Date(now - 60_000).toUTCString(), now)).toBe(0)
    for (const text of [undefined, '', 'soon', '-']) expect(parseRetryAfter(text, now)).toBeUndefined()
  })
})
