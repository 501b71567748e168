import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSystemClock } from '@inferq/runtime'
import { createSimulator } from '@inferq/simulator'
import { createLogger } from '@inferq/telemetry'
import { freePort, until } from '@inferq/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type Backend, createBackend } from '../../src/node/backend.ts'

const clock = createSystemClock()
const never = new AbortController().signal

async function watch(port: number): Promise<{ readonly backend: Backend; readonly events: () => string[] }> {
  const lines: string[] = []
  const url = `http://127.0.0.1:${port}`
  const backend = createBackend({
    url,
    targets: () => [{ wire: 'vllm', baseUrl: `${url}/v1`, apiKey: undefined }],
    process: undefined,
    log: createLogger({ service: 'test', destination: { write: (line) => lines.push(line) } }),
    clock,
  })
  await backend.start()
  onTestFinished(() => backend.stop({ signal: AbortSignal.timeout(5_000), timeoutMs: 5_000 }))
  return { backend, events: () => lines.map((line) => String(JSON.parse(line).event)) }
}

async function simulate(port: number) {
  const simulator = createSimulator({ port, models: { chat: {} } })
  await simulator.start()
  onTestFinished(() => simulator.stop())
  return simulator
}

test('a backend is waited for, lost when nobody listens any more, and found again', async () => {
  const port = await freePort()
  const { backend, events } = await watch(port)
  const early = backend.whenReady(never)
  const first = await simulate(port)
  expect(await early).toEqual(new Map([['vllm', ['chat']]]))
  const lost = backend.whenLost(() => true, never)
  await first.stop()
  expect(await lost).toMatch(/it cannot be reached/)
  await simulate(port)
  await backend.whenReady(never)
  expect(events()).toEqual(['backend-ready', 'backend-gone', 'backend-ready'])
})

test('a failed call has it asked at once', async () => {
  const port = await freePort()
  const { server, asked } = await countingServer(port, () => 200)
  const { backend } = await watch(port)
  await backend.whenReady(never)
  // By itself it would look once a second, and this would take longer than a test may.
  for (let before = asked(), i = 1; i <= 60; i++) {
    backend.suspect()
    await until(() => asked() >= before + i)
  }
  server.close()
})

test('a backend with other models than it had is not right any more', async () => {
  const port = await freePort()
  await simulate(port)
  const { backend } = await watch(port)
  await backend.whenReady(never)
  expect(await backend.whenLost((models) => models.get('vllm')?.includes('other') ?? false, never)).toMatch(
    /other classes/,
  )
})

test('one bad answer about its health is no loss, three in a row are', async () => {
  const port = await freePort()
  let status = 200
  let bad = 0
  const { server } = await countingServer(port, () => {
    if (status !== 200) bad += 1
    return status
  })
  const { backend } = await watch(port)
  await backend.whenReady(never)
  const lost = backend.whenLost(() => true, never)
  status = 503
  expect(await lost).toBe('it answers 503')
  expect(bad).toBeGreaterThanOrEqual(3)
  server.close()
})

/** A vLLM whose `/health` answers this. */
async function countingServer(port: number, health: () => number): Promise<{ server: Server; asked: () => number }> {
  let asked = 0
  const server = createServer((request, response) => {
    if (request.url === '/health') {
      asked += 1
      response.writeHead(health()).end()
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[{"id":"chat","owned_by":"vllm"}]}')
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  expect((server.address() as AddressInfo).port).toBe(port)
  return { server, asked: () => asked }
}
