import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { runFixture, temporaryDir, until } from './support.ts'

test.each(['SIGTERM', 'SIGINT'] as const)('%s quiets, stops, and ends the process with 0', async (signal) => {
  const main = runFixture('service-process.ts')
  await until(() => main.lines.includes('up'))
  main.process.kill(signal)
  expect(await main.exited).toBe(0)
  expect(main.lines.filter((line) => ['up', 'quiet', 'stopping'].includes(line))).toEqual(['up', 'quiet', 'stopping'])
})

test('a second signal ends the process at once', async () => {
  const main = runFixture('service-process.ts', ['drains-for-ever'])
  await until(() => main.lines.includes('up'))
  main.process.kill('SIGTERM')
  await until(() => main.lines.includes('stopping'))
  main.process.kill('SIGTERM')
  expect(await main.exited).toBe(143)
})

test('a start that fails ends the process with 1 and says what did not start', async () => {
  const main = runFixture('service-process.ts', ['start-fails'])
  expect(await main.exited).toBe(1)
  expect(main.lines.join('\n')).toContain('fixture did not start: port taken')
})

test('an error that nobody caught is logged, stops the services, and ends the process with 1', async () => {
  const main = runFixture('service-process.ts', ['throws'])
  expect(await main.exited).toBe(1)
  expect(main.lines.join('\n')).toMatch(/uncaught .*nobody caught this/)
  expect(main.lines).toContain('stopping')
})

test('what was compiled is kept even when the process is killed', async () => {
  const place = temporaryDir()
  const compiled = () => readdirSync(place, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const main = runFixture('service-process.ts', [], { NODE_COMPILE_CACHE: place })
  await until(() => compiled().length > 10)
  main.process.kill('SIGKILL')
  expect(await main.exited).toBe('SIGKILL')
})
