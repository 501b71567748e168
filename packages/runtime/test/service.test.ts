import { expect, test } from 'vitest'
import {
  createManualClock,
  createPeriodicService,
  createService,
  createServiceGroup,
  createSystemClock,
  type Deadline,
  type Service,
} from '../src/index.ts'
import { collectLog, until } from './support.ts'

const deadline: Deadline = { signal: new AbortController().signal, timeoutMs: 1_000 }

function recorded(
  name: string,
  events: string[],
  faults: { readonly start?: Error; readonly stop?: Error } = {},
): Service {
  return createService({
    name,
    start: () => {
      events.push(`start ${name}`)
      if (faults.start) throw faults.start
    },
    quiet: () => {
      events.push(`quiet ${name}`)
    },
    stop: () => {
      events.push(`stop ${name}`)
      if (faults.stop) throw faults.stop
    },
  })
}

test('a service starts and stops once, however often it is asked', async () => {
  const events: string[] = []
  const service = recorded('a', events)
  await Promise.all([service.start(), service.start()])
  await Promise.all([service.quiet?.(), service.quiet?.()])
  await Promise.all([service.stop(deadline), service.stop(deadline)])
  await service.stop(deadline)
  expect(events).toEqual(['start a', 'quiet a', 'stop a'])
})

test('a service that never started has nothing to stop, and does not start afterwards', async () => {
  const events: string[] = []
  const service = recorded('a', events)
  await service.stop(deadline)
  await expect(service.start()).rejects.toThrow('a was stopped before it was started')
  expect(events).toEqual([])
})

test('stopping waits for a start under way', async () => {
  const starting = Promise.withResolvers<void>()
  const events: string[] = []
  const service = createService({
    name: 'slow',
    start: () => starting.promise,
    stop: () => {
      events.push('stop')
    },
  })
  const started = service.start()
  const stopped = service.stop(deadline)
  expect(events).toEqual([])
  starting.resolve()
  await Promise.all([started, stopped])
  expect(events).toEqual(['stop'])
})

test('a group starts in order, quiets all, stops in reverse', async () => {
  const events: string[] = []
  const group = createServiceGroup({ log: collectLog(), clock: createSystemClock() }, [
    recorded('a', events),
    recorded('b', events),
  ])
  await group.start()
  await group.quiet()
  await group.stop()
  expect(events).toEqual(['start a', 'start b', 'quiet a', 'quiet b', 'stop b', 'stop a'])
})

test('a failed start stops what had started, in reverse, and names the service', async () => {
  const events: string[] = []
  const failing = recorded('c', events, { start: new Error('port taken') })
  const services = [recorded('a', events), recorded('b', events), failing, recorded('d', events)]
  const group = createServiceGroup({ log: collectLog(), clock: createSystemClock() }, services)
  await expect(group.start()).rejects.toMatchObject({
    code: 'service_start_failed',
    message: 'c did not start: port taken',
    cause: { message: 'port taken' },
  })
  expect(events).toEqual(['start a', 'start b', 'start c', 'stop b', 'stop a'])
})

test('a service that fails to stop does not keep the others from stopping', async () => {
  const events: string[] = []
  const services = [recorded('a', events), recorded('b', events, { stop: new Error('stuck') }), recorded('c', events)]
  const group = createServiceGroup({ log: collectLog(), clock: createSystemClock() }, services)
  await group.start()
  await expect(group.stop()).rejects.toMatchObject({ code: 'service_stop_failed', message: 'b: stuck' })
  expect(events.slice(3)).toEqual(['stop c', 'stop b', 'stop a'])
})

test('the deadline reaches a service that drains, and one that ignores it is left behind', async () => {
  const clock = createManualClock()
  const events: string[] = []
  const draining = createService({
    name: 'draining',
    start() {},
    stop: ({ signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          events.push('drained')
          resolve()
        })
      }),
  })
  const deaf = createService({ name: 'deaf', start() {}, stop: () => new Promise<void>(() => {}) })
  const options = { log: collectLog(), clock, stopTimeoutMs: 1_000, closeGraceMs: 500 }
  const group = createServiceGroup(options, [recorded('first', events), deaf, draining])
  await group.start()
  const stopped = expect(group.stop()).rejects.toMatchObject({
    message: expect.stringContaining('deaf: did not stop in time'),
  })
  await clock.advance(999)
  expect(events).toEqual(['start first'])
  await clock.advance(501)
  await stopped
  expect([events, clock.waiting]).toEqual([['start first', 'drained', 'stop first'], 0])
})

test('a periodic service runs at once, goes on after a failure, and its stop waits for the run under way', async () => {
  const log = collectLog()
  const ends: string[] = []
  let runs = 0
  const service = createPeriodicService({
    name: 'relay',
    intervalMs: 1,
    log,
    clock: createSystemClock(),
    async run(signal) {
      runs++
      if (runs === 1) throw new Error('no database')
      if (runs < 3) return
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      ends.push('ended')
    },
  })
  await service.start()
  await until(() => runs === 3)
  await service.stop(deadline)
  expect(ends).toEqual(['ended'])
  expect(log.events).toMatchObject([
    { event: 'periodic-run-failed', fields: { service: 'relay', error: 'no database' } },
  ])
})
