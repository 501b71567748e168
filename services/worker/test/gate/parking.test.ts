import { createSystemClock } from '@inferq/runtime'
import { expect, it } from 'vitest'
import { createParking } from '../../src/gate/parking.ts'

const place = { deployment: 'gpu0', class: 'llama' }
const longMs = 60_000
const { signal } = new AbortController()

it('lets those who wait in one by one, first come first served, as calls end that had room', async () => {
  const parking = createParking(createSystemClock())
  const calls = [parking.enter('gpu0'), parking.enter('gpu0')]
  const order: string[] = []
  const waits = ['first', 'second'].map(async (name) => {
    const room = await parking.wait(place, longMs, signal)
    order.push(`${name} ${room}`)
  })
  expect(parking.parked('llama')).toBe(2)
  calls[0]?.(false)
  await waits[0]
  expect(order).toEqual(['first true'])
  calls[1]?.(false)
  await waits[1]
  expect(order).toEqual(['first true', 'second true'])
  expect(parking.parked('llama')).toBe(0)
})

it('lets nobody in when a call ends that had no room, and sends all away when none is left', async () => {
  const parking = createParking(createSystemClock())
  const [served, refused] = [parking.enter('gpu0'), parking.enter('gpu0')]
  const waits = [parking.wait(place, longMs, signal), parking.wait(place, longMs, signal)]
  refused(true)
  expect(parking.parked('llama')).toBe(2)
  served(false)
  expect(await Promise.all(waits)).toEqual([true, false])
})

it('lets nobody wait where nothing runs, or for longer than they may', async () => {
  const parking = createParking(createSystemClock())
  expect(await parking.wait(place, longMs, signal)).toBe(false)
  parking.enter('gpu1')(false)
  parking.enter('gpu0')
  expect(await parking.wait(place, 1, signal)).toBe(false)
  expect(parking.parked('llama')).toBe(0)
})

it('ends a wait with its signal, and the next one is served instead', async () => {
  const parking = createParking(createSystemClock())
  const leave = parking.enter('gpu0')
  const cancel = new AbortController()
  const cancelled = parking.wait(place, longMs, cancel.signal)
  const next = parking.wait(place, longMs, signal)
  cancel.abort(new Error('cancelled'))
  await expect(cancelled).rejects.toThrow('cancelled')
  leave(false)
  expect(await next).toBe(true)
  expect(parking.parked('llama')).toBe(0)
})
