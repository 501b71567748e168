import { createSimulator, type Simulator } from '@inferq/simulator'
import { startTcpProxy, type TcpProxy } from '@inferq/testkit/tcp-proxy'
import type { ServiceProcess, Stack } from './stack.ts'

/** A GPU node: an address, a worker as a process of its own, its backend, and its ways to Redis and to that backend. */
export interface GpuNode {
  /** The worker's id. */
  readonly name: string
  /** `127.0.0.2` */
  readonly address: string
  readonly backend: Simulator
  readonly toRedis: TcpProxy
  readonly toBackend: TcpProxy
  readonly worker: ServiceProcess
  stop(): Promise<void>
}

/** Node `number` (from 1) of a stack, which serves `modelClass` with a backend of its own. */
export async function startNode(stack: Stack, number: number, modelClass: string): Promise<GpuNode> {
  const name = `node-${number}`
  const address = `127.0.0.${number + 1}`
  const backend = createSimulator({ host: address, models: { [modelClass]: {} } })
  await backend.start()
  const { hostname, port, pathname } = new URL(stack.redis.url)
  const [toRedis, toBackend] = await Promise.all([
    startTcpProxy(port === '' ? { path: pathname } : { host: hostname, port: Number(port) }),
    startTcpProxy({ host: address, port: Number(new URL(backend.url).port) }),
  ])
  const database = port === '' ? '' : pathname
  const worker = await stack.startWorker(
    ['--classes', modelClass, '--id', name, '--backend', `http://127.0.0.1:${toBackend.port}`],
    { REDIS_URL: `redis://127.0.0.1:${toRedis.port}${database}`, INFERQ_HOST: address },
  )
  return {
    ...{ name, address, backend, toRedis, toBackend, worker },
    async stop() {
      worker.kill('SIGKILL')
      await worker.exited
      await Promise.all([toRedis.stop(), toBackend.stop(), backend.stop()])
    },
  }
}
