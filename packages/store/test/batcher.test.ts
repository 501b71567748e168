import { createManualClock } from '@inferq/runtime'
import { expect, it } from 'vitest'
import { createBatcher } from '../src/batcher.ts'

const never = new Promise<void>(() => {})

function start(run: (items: readonly string[]) => Promise<void>, maxBytes = 100) {
  const clock = createManualClock()
  const batcher = createBatcher<string>({
    ...{ maxItems: 10, maxBytes, maxWaiting: 5, clock, run },
    bytesOf: (item) => item.length,
    timeoutMs: (bytes) => 1_000 + bytes,
    isItemFault: () => false,
  })
  return { clock, batcher }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve))
const unavailable = expect.objectContaining({ code: 'service_unavailable' })

it('refuses in time those that wait behind a run without an end, and forgets them', async () => {
  const ran: (readonly string[])[] = []
  const first = Promise.withResolvers<void>()
  const { clock, batcher } = start((items) => {
    ran.push(items)
    return items[0] === 'first' ? first.promise : Promise.resolve()
  })
  const refused = [batcher.add(['first']), nextTurn().then(() => batcher.add(['second']))].map((call) =>
    expect(call).rejects.toEqual(unavailable),
  )
  await nextTurn()
  await nextTurn()
  await clock.advance(1_100)
  await Promise.all(refused)
  const third = batcher.add(['third'])
  first.resolve()
  await third
  expect(ran).toEqual([['first'], ['third']])
})

it('gives large calls more time, and those behind them too', async () => {
  const { clock, batcher } = start(() => never, 10_000)
  const ends: string[] = []
  const note = (name: string, call: Promise<void>) => call.catch(() => ends.push(name))
  const calls = [note('large', batcher.add(['x'.repeat(5_000)])), note('small', batcher.add(['y']))]
  await nextTurn()
  await clock.advance(1_500)
  await nextTurn()
  expect(ends).toEqual([])
  await clock.advance(5_000)
  await Promise.all(calls)
  expect(ends).toEqual(['large', 'small'])
})

it('keeps small calls out of the run of a large one, and has room again when the waiting are refused', async () => {
  const ran: number[] = []
  const { clock, batcher } = start((items) => {
    ran.push(items.length)
    return ran.length === 1 ? Promise.resolve() : never
  })
  await Promise.all([batcher.add(['x'.repeat(100)])])
  const waiting = Array.from({ length: 5 }, () => batcher.add(['y']).catch(() => 'refused'))
  await nextTurn()
  const behind = Array.from({ length: 5 }, () => batcher.add(['z']).catch(() => 'refused'))
  await expect(batcher.add(['z'])).rejects.toEqual(unavailable)
  await clock.advance(2_000)
  expect(await Promise.all([...waiting, ...behind])).toEqual(Array.from({ length: 10 }, () => 'refused'))
  const later = expect(batcher.add(['later'])).rejects.toThrow('does not answer')
  await clock.advance(2_000)
  await later
})
