import { createManualClock } from '@inferq/runtime'
import { describe, expect, it } from 'vitest'
import { createBeatWheel } from '../src/beat-wheel.ts'
import { waitSeconds, wants } from '../src/routes/prefer.ts'

describe('the wheel', () => {
  it('calls each member once an interval, from one interval after it came, until it leaves', async () => {
    const clock = createManualClock()
    const wheel = createBeatWheel({ clock, intervalMs: 600, slots: 6 })
    const beats: string[] = []
    const member = (name: string) => ({ slot: undefined, beat: () => void beats.push(name) })
    const a = member('a')
    const b = member('b')
    wheel.add(a)
    await clock.advance(300)
    wheel.add(b)
    await clock.advance(299)
    expect(beats).toEqual([])
    await clock.advance(301)
    expect(beats).toEqual(['a', 'b'].slice(0, beats.length))
    await clock.advance(600)
    wheel.remove(a)
    wheel.remove(a)
    const before = beats.filter((name) => name === 'a').length
    expect(before).toBe(2)
    await clock.advance(1_200)
    expect(beats.filter((name) => name === 'a')).toHaveLength(before)
    expect(beats.filter((name) => name === 'b').length).toBeGreaterThanOrEqual(3)
    wheel.stop()
  })

  it('spreads a crowd over turns, and forgets who leaves in between', async () => {
    const clock = createManualClock()
    const wheel = createBeatWheel({ clock, intervalMs: 100, slots: 1 })
    let beats = 0
    const crowd = Array.from({ length: 250 }, () => ({ slot: undefined, beat: () => void beats++ }))
    for (const one of crowd) wheel.add(one)
    await clock.advance(100)
    const first = beats
    expect(first).toBeGreaterThanOrEqual(100)
    for (const one of crowd.slice(-50)) wheel.remove(one)
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(() => setImmediate(resolve))))
    expect(beats).toBe(200)
    wheel.stop()
  })
})

describe('Prefer', () => {
  it('is read as RFC 7240 has it', () => {
    expect(wants({ prefer: 'wait=5, Respond-Async' }, 'respond-async')).toBe(true)
    expect(wants({}, 'respond-async')).toBe(false)
    expect(waitSeconds({ prefer: 'respond-async; wait = 5' }, 60)).toBe(5)
    expect(waitSeconds({ prefer: 'wait=500' }, 60)).toBe(60)
    expect(waitSeconds({ prefer: 'wait=soon' }, 60)).toBe(0)
  })
})
