import { createSystemClock } from '@inferq/runtime'
import { expect, it } from 'vitest'
import { createLogWriter } from '../src/log-writer.ts'

const clock = createSystemClock()
const usual = { clock, flushIntervalMs: 5, patienceMs: 1_000 }

it('sends the first output as one entry, before the turn of the event loop that brought it is over', async () => {
  const appended: unknown[] = []
  const append = async (...batch: [number, readonly string[]]): Promise<boolean> => appended.push(batch) > 0
  const writer = createLogWriter({ ...usual, append })
  writer.text('Hel')
  writer.text('lo')
  expect(appended).toEqual([])
  await new Promise<void>((resolve) => process.nextTick(resolve))
  expect(appended).toEqual([[1, ['t', 'Hello']]])
  await writer.flush()
  expect(writer.isFlushed).toBe(true)
})

it('has something to flush until all of it is in the log, and tells once why it no longer can', async () => {
  const taken = Promise.withResolvers<boolean>()
  const writer = createLogWriter({ ...usual, append: () => taken.promise })
  const reasons: unknown[] = []
  writer.onFenced((reason) => reasons.push(reason))
  expect(writer.isFlushed).toBe(true)
  writer.text('Hello')
  expect(writer.isFlushed).toBe(false)
  const flushed = writer.flush()
  expect(writer.isFlushed).toBe(false)
  taken.resolve(false)
  await expect(flushed).rejects.toThrow('fenced')
  expect(writer.isFlushed).toBe(false)
  expect(reasons).toEqual([writer.fencedBy])
})
