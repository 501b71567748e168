import { expect, it } from 'vitest'
import { createSharedTurns } from '../src/shared-turns.ts'

it('runs one turn at a time, and gives all who ask meanwhile the next one, told if any of them asked so', async () => {
  const begun: { tell: boolean; end(): void }[] = []
  let underWay = 0
  const turns = createSharedTurns(async (tell) => {
    underWay += 1
    expect(underWay).toBe(1)
    await new Promise<void>((resolve) => begun.push({ tell, end: resolve }))
    underWay -= 1
    return begun.length
  })
  const first = turns.ask(false)
  const shared = [turns.ask(false), turns.ask(true), turns.ask(false)]
  expect(begun.map(({ tell }) => tell)).toEqual([false])
  begun[0]?.end()
  expect(await first).toBe(1)
  await Promise.resolve()
  const later = turns.ask(false)
  expect(begun.map(({ tell }) => tell)).toEqual([false, true])
  begun[1]?.end()
  expect(await Promise.all(shared)).toEqual([2, 2, 2])
  begun[2]?.end()
  expect(await later).toBe(3)
  await turns.idle()
  expect(begun.map(({ tell }) => tell)).toEqual([false, true, false])
})
