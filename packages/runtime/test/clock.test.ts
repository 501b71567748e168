import { expect, test } from 'vitest'
import { createDeadline, createManualClock, createSystemClock, DeadlineError, withDeadline } from '../src/index.ts'

test('a manual clock ends sleeps in order as it is moved on', async () => {
  const clock = createManualClock(1_000)
  const ended: string[] = []
  const sleeps = [clock.sleep(20).then(() => ended.push('late')), clock.sleep(10).then(() => ended.push('early'))]
  await clock.advance(15)
  expect([ended, clock.now(), clock.monotonic()]).toEqual([['early'], 1_015, 15])
  await clock.advance(5)
  await Promise.all(sleeps)
  expect([ended, clock.waiting]).toEqual([['early', 'late'], 0])
})

test.each([
  ['system', createSystemClock()],
  ['manual', createManualClock()],
])('a sleep of the %s clock ends with the reason of an aborted signal', async (_, clock) => {
  const controller = new AbortController()
  const sleep = clock.sleep(60_000, controller.signal)
  controller.abort(new Error('enough'))
  await expect(sleep).rejects.toThrow('enough')
  await expect(clock.sleep(60_000, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
})

test('a deadline aborts after its time and says what took too long', async () => {
  const clock = createManualClock()
  const deadline = createDeadline(clock, { timeoutMs: 100, what: 'draining' })
  await clock.advance(99)
  expect([deadline.signal.aborted, deadline.remainingMs()]).toEqual([false, 1])
  await clock.advance(1)
  expect(deadline.signal.reason).toBeInstanceOf(DeadlineError)
  expect(deadline.signal.reason).toMatchObject({
    code: 'deadline_exceeded',
    message: 'draining took longer than 100 ms',
  })
})

test('a deadline aborts with its parent and lets go of it when released', () => {
  const clock = createManualClock()
  const parent = new AbortController()
  const kept = createDeadline(clock, { timeoutMs: 100, what: 'a', parent: parent.signal })
  const released = createDeadline(clock, { timeoutMs: 100, what: 'b', parent: parent.signal })
  released.release()
  parent.abort(new Error('stopping'))
  expect(kept.signal.reason).toMatchObject({ message: 'stopping' })
  expect([released.signal.aborted, clock.waiting]).toEqual([false, 0])
})

test('work that ignores its signal is left behind at the deadline', async () => {
  const clock = createManualClock()
  const run = withDeadline(clock, { timeoutMs: 50, what: 'PING' }, () => new Promise(() => {}))
  const outcome = expect(run).rejects.toMatchObject({ code: 'deadline_exceeded' })
  await clock.advance(50)
  await outcome
})
