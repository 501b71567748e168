import { createTestRedis, type TestRedis, until } from '@inferq/testkit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createModelClaims } from '../../src/sticky/model-claims.ts'

let server: TestRedis

beforeEach(() => {
  server = createTestRedis()
})
afterEach(() => server.close())

it('lets one worker at a time choose a model, for as long as the claim lasts', async () => {
  const redis = await server.connect()
  const [mine, theirs] = ['w1', 'w2'].map((id) => createModelClaims(redis, server.keys, id))
  if (mine === undefined || theirs === undefined) throw new Error('two claims')
  expect(await mine.isTaken('a')).toBe(false)
  expect(await mine.take('a', 60_000)).toBe(true)
  expect([await mine.isTaken('a'), await theirs.isTaken('a')]).toEqual([false, true])
  expect([await mine.take('a', 60_000), await theirs.take('a', 60_000)]).toEqual([true, false])
  expect(await theirs.take('b', 10.5)).toBe(true)
  await until(() => mine.take('b', 60_000), { what: 'the claim to pass' })
  expect(await theirs.isTaken('b')).toBe(true)
})
