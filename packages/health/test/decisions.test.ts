import { createManualClock } from '@inferq/runtime'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCircuitBoard } from '../src/circuit-board.ts'
import { parseMessage } from '../src/circuit-record.ts'
import { judgeError } from '../src/judge-error.ts'
import { createSharedTime } from '../src/shared-time.ts'
import { emptyTally, mergeTallies, type Tally } from '../src/tally.ts'

describe('a tally', () => {
  const tally: fc.Arbitrary<Tally> = fc.record(
    {
      calls: fc.nat(9),
      failures: fc.nat(9),
      cleared: fc.boolean(),
      streak: fc.nat(9),
      reason: fc.constantFrom('upstream_error', 'upstream_timeout'),
      wait: fc.record({ until: fc.nat(9), reason: fc.constant('rate_limit_exceeded') }),
    },
    { requiredKeys: ['calls', 'failures', 'cleared', 'streak'] },
  )
  /** What tell.lua makes of consecutive failures. */
  const after = (failures: number, { cleared, streak }: Tally): number => (cleared ? 0 : failures) + streak

  it('of many says the same as the many, one after the other', () => {
    fc.assert(
      fc.property(fc.array(tally), fc.nat(9), (tallies, failures) => {
        const merged = tallies.reduce(mergeTallies, emptyTally)
        expect(after(failures, merged)).toBe(tallies.reduce(after, failures))
        expect(merged.calls).toBe(tallies.reduce((sum, { calls }) => sum + calls, 0))
        expect(merged.wait?.until ?? -1).toBe(Math.max(-1, ...tallies.map(({ wait }) => wait?.until ?? -1)))
        expect(merged.reason).toBe(tallies.findLast(({ reason }) => reason !== undefined)?.reason)
      }),
    )
  })
})

describe('the board', () => {
  it('never goes back, and ends with what the last reading says, whatever was lost, doubled or late', () => {
    const history = fc.array(
      fc.record({ id: fc.constantFrom('a', 'b', 'c'), failures: fc.option(fc.nat(5), { nil: undefined }) }),
      { minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(history, fc.array(fc.nat(1_000)), (changes, picks) => {
        const news = changes.map(({ id, failures }, index) => ({
          id,
          version: index + 1,
          circuit: failures === undefined ? undefined : { failures },
        }))
        /** What Redis holds as of a version. */
        const snapshotAt = (version: number) => {
          const latest = new Map(news.filter((one) => one.version <= version).map((one) => [one.id, one]))
          return { version, nowMs: 0, circuits: [...latest.values()].filter(({ circuit }) => circuit !== undefined) }
        }
        const board = createCircuitBoard()
        const seen = new Map<string, number>()
        for (const pick of picks) {
          const one = news[pick % news.length]
          if (one === undefined) return
          if (pick % 3 === 0) {
            // Read just now: it cannot be older than what was heard before it was asked for.
            const version = Math.max(one.version, board.version())
            board.replace(snapshotAt(version), board.version())
            for (const id of ['a', 'b', 'c']) seen.set(id, Math.max(seen.get(id) ?? 0, version))
          } else {
            board.apply(one)
            seen.set(one.id, Math.max(seen.get(one.id) ?? 0, one.version))
          }
          for (const [id, version] of seen) {
            expect(board.get(id)).toEqual(
              news.findLast((change) => change.id === id && change.version <= version)?.circuit,
            )
          }
        }
        board.replace(snapshotAt(news.length), board.version())
        for (const id of ['a', 'b', 'c']) {
          expect(board.get(id)).toEqual(news.findLast((change) => change.id === id)?.circuit)
        }
      }),
    )
  })

  it('takes no harm from messages that are none', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseMessage(text)))
    fc.assert(fc.property(fc.nat(), fc.json(), (version, json) => void parseMessage(`${version}\n${json}\nid`)))
    expect(parseMessage('7\n{"failures":2,"retryAt":5}\nm\nodd')).toEqual({
      id: 'm\nodd',
      version: 7,
      circuit: { failures: 2, retryAt: 5 },
    })
    expect(parseMessage('8\n\nm')).toEqual({ id: 'm', version: 8, circuit: undefined })
  })
})

describe('the shared clock', () => {
  it('is known to half a round trip, and slow answers are not believed', () => {
    const clock = createManualClock(1_000_000)
    const time = createSharedTime(clock)
    time.learn(1_500_010, 1_000_000, 1_000_020)
    expect(time.nowMs()).toBe(1_500_000)
    time.learn(1_700_000, 1_000_000, 1_004_000)
    expect(time.nowMs()).toBe(1_500_000)
    expect(time.toLocal(1_500_100)).toBe(1_000_100)
  })
})

describe('an error', () => {
  it('asks to be left alone for a day at most, and for less than nothing not at all', () => {
    const judge = (retryAfterSeconds: number) =>
      judgeError({ code: 'rate_limit_exceeded', message: '', retryAfterSeconds })
    expect(judge(10 ** 9)).toEqual({ kind: 'wait', waitMs: 86_400_000 })
    expect(judge(0.2)).toEqual({ kind: 'wait', waitMs: 200 })
    expect(judge(-5)).toEqual({ kind: 'neutral' })
    expect(judge(Number.NaN)).toEqual({ kind: 'neutral' })
  })
})
