import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSimulator } from '@inferq/simulator'
import { expect, it } from 'vitest'
import { createLoadedModelsReader } from '../src/index.ts'

const live = new AbortController().signal

it('reads what an Ollama has in memory', async () => {
  const simulator = createSimulator({ maxLoaded: 2 })
  await simulator.start()
  const reader = createLoadedModelsReader(
    { provider: 'ollama', baseUrl: `${simulator.url}/v1`, headers: {}, credentials: {} },
    { timeoutMs: 30_000 },
  )
  expect(await reader.read(live)).toEqual([])
  for (const model of ['a', 'b:7b']) {
    await fetch(`${simulator.url}/api/generate`, { method: 'POST', body: JSON.stringify({ model }) })
  }
  expect(await reader.read(live)).toEqual(['a:latest', 'b:7b'])
  await expect(reader.read(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  await reader.close()
  await simulator.stop()
})

it('takes from an answer what it knows, and refuses what is no list', async () => {
  const bodies = ['{"models":[{"name":"a"},{"model":"b"},7]}', '{"models":null}', 'Ollama is running']
  const server = createServer((_, response) => void response.end(bodies.shift()))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const reader = createLoadedModelsReader(
    { provider: 'ollama', baseUrl, headers: {}, credentials: {} },
    { timeoutMs: 30_000 },
  )
  expect(await reader.read(live)).toEqual(['a'])
  for (const _ of bodies.slice()) {
    await expect(reader.read(live)).rejects.toMatchObject({ detail: { code: 'upstream_malformed' } })
  }
  await reader.close()
  server.close()
})
