import { until } from '@inferq/testkit'
import { type ServiceProcess, type Stack, type StackOptions, startStack } from '../support/stack.ts'

/** A started system as a client's author meets it: an address and a key. */
export interface System {
  readonly stack: Stack
  readonly ingress: ServiceProcess
  readonly worker: ServiceProcess
  readonly controller: ServiceProcess
  /** `http://127.0.0.1:<port>/v1`: what an OpenAI client takes as its base. */
  readonly baseUrl: string
  readonly key: string
}

export async function startSystem(config?: string, options?: StackOptions): Promise<System> {
  const stack = await startStack(config, options)
  const [ingress, worker, controller] = await Promise.all([
    stack.startIngress(),
    stack.startWorker(),
    stack.startController(),
  ])
  // As a load balancer would: an ingress listens a moment before it is sure of Redis and Postgres.
  await until(async () => (await fetch(`${ingress.url}/health/readiness`)).ok, {
    everyMs: 50,
    what: 'the ingress is ready',
  })
  return { stack, ingress, worker, controller, baseUrl: `${ingress.url}/v1`, key: stack.masterKey }
}

/** The upstream saw this model's call stop before its end. */
export function untilAborted(system: System, model = 'chat'): Promise<unknown> {
  return until(() => system.stack.simulator.stats().models[model]?.aborted === 1)
}

/** Everything that a stream or a page iterator gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = []
  for await (const item of items) collected.push(item)
  return collected
}

/** `count` words, so that a stream of them is long enough to stop in. */
export function wordsOf(count: number): string {
  return Array.from({ length: count }, (_, index) => `word${index}`).join(' ')
}

/** What a weather tool is asked for, by every client here. */
export const weatherCall = { name: 'weather', arguments: { city: 'Oslo' } } as const
