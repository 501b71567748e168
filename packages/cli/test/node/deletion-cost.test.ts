import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSystemClock, type Service } from '@inferq/runtime'
import { until } from '@inferq/testkit'
import type { WorkerActivity } from '@inferq/worker'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDeletionCost, findPod, type Pod } from '../../src/node/deletion-cost.ts'

const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8')
const annotation = 'controller.kubernetes.io/pod-deletion-cost'
const stopNow = { signal: AbortSignal.abort(), timeoutMs: 0 }

interface Patch {
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly cost: string
}

let folder: string
let api: Server
let variables: Record<string, string>
let patches: Patch[]
let requests: number
let status: number
let warnings: object[]
let running: Service | undefined

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inferq-account-'))
  writeFileSync(join(folder, 'token'), 'first-token\n')
  writeFileSync(join(folder, 'namespace'), 'gpus')
  writeFileSync(join(folder, 'ca.crt'), fixture('api-server.pem'))
  ;[patches, warnings, requests, status] = [[], [], 0, 200]
  api = createServer(
    { key: fixture('api-server-key.pem'), cert: fixture('api-server.pem') },
    async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      requests++
      const { metadata } = JSON.parse(body) as { metadata: { annotations: Record<string, string> } }
      const cost = metadata.annotations[annotation] ?? ''
      if (status === 200) patches.push({ path: `${request.method} ${request.url}`, headers: request.headers, cost })
      response.writeHead(status).end('{}')
    },
  )
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const { port } = api.address() as AddressInfo
  variables = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(port), HOSTNAME: 'worker-7' }
})
afterEach(async () => {
  await running?.stop(stopNow)
  running = undefined
  api.closeAllConnections()
  await new Promise((resolve) => api.close(resolve))
  rmSync(folder, { recursive: true })
})

async function start(activity: { now: WorkerActivity }): Promise<void> {
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) }
  const pod = findPod(variables, folder) as Pod
  const clock = createSystemClock()
  running = createDeletionCost({ pod, activity: () => activity.now, clock, log, everyMs: 10 })
  await running.start()
}

const idle: WorkerActivity = { inFlight: 0, oldestAt: null, state: 'running' }
const busyFor = (seconds: number): WorkerActivity => ({ ...idle, inFlight: 2, oldestAt: Date.now() - seconds * 1_000 })
const costs = (): number[] => patches.map(({ cost }) => Number(cost))

describe('what a pod costs to take away', () => {
  it('is written on it: nothing while idle, more the longer its oldest job has run, least when it drains', async () => {
    const activity = { now: idle }
    await start(activity)
    await until(() => patches.length === 1)
    expect(patches[0]).toMatchObject({
      path: 'PATCH /api/v1/namespaces/gpus/pods/worker-7',
      headers: { authorization: 'Bearer first-token', 'content-type': 'application/merge-patch+json' },
      cost: '0',
    })
    writeFileSync(join(folder, 'token'), 'second-token')
    activity.now = busyFor(5)
    await until(() => patches.length === 2)
    expect(patches[1]?.headers).toMatchObject({ authorization: 'Bearer second-token' })
    expect(costs()[1]).toBeGreaterThanOrEqual(15)
    activity.now = busyFor(1_000)
    await until(() => (costs().at(-1) ?? 0) >= 1_010)
    activity.now = { ...activity.now, state: 'draining' }
    await until(() => costs().at(-1) === -1)
    activity.now = idle
    await until(() => costs().at(-1) === 0)
  })

  it('is not written again before it has doubled or halved', async () => {
    const activity = { now: busyFor(1_000) }
    await start(activity)
    await until(() => patches.length === 1)
    let looks = 0
    const steady = activity.now
    Object.defineProperty(activity, 'now', {
      get: () => (looks++ < 20 ? { ...steady, inFlight: looks } : busyFor(3_000)),
    })
    await until(() => patches.length === 2)
    expect(costs()[1]).toBeGreaterThanOrEqual(3_010)
  })

  it('is tried again when it is refused, and that is told once', async () => {
    status = 403
    await start({ now: idle })
    await until(() => requests >= 3)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatchObject({ pod: 'worker-7', error: expect.stringContaining('403') })
    status = 200
    await until(() => patches.length > 0)
    expect(costs()).toEqual([0])
  })

  it('is not written to a server that somebody else has signed for', async () => {
    rmSync(join(folder, 'ca.crt'))
    await start({ now: idle })
    await until(() => warnings.length === 1)
    expect(requests).toBe(0)
  })
})

it('a process that is no pod, or may ask nobody, has none', () => {
  expect(findPod(variables, folder)).toMatchObject({ namespace: 'gpus', name: 'worker-7' })
  expect(findPod({ ...variables, POD_NAME: 'w', POD_NAMESPACE: 'n' }, folder)).toMatchObject({
    namespace: 'n',
    name: 'w',
  })
  expect(findPod({ ...variables, KUBERNETES_SERVICE_HOST: 'fd00::1' }, folder)?.apiUrl).toMatch(
    /^https:\/\/\[fd00::1\]:\d+$/,
  )
  expect(findPod({ HOSTNAME: 'laptop' }, folder)).toBeUndefined()
  expect(findPod(variables, join(folder, 'none'))).toBeUndefined()
})
