import { setTimeout as sleep } from 'node:timers/promises'
import type { Injected } from '../faults/fault.ts'
import { membersOf } from '../faults/members.ts'
import type { Ingress, System } from '../system/system.ts'
import { type Inside, lookInside, type RunningJob } from './look-inside.ts'
import type { Recovery } from './run.ts'

/** With the time it took place in, ms since the epoch. */
export interface MeasuredRecovery extends Pick<Recovery, 'after' | 'seconds'> {
  readonly from: number
  readonly to: number
}

export interface Recoveries {
  /** Of a fault that measures `worker-killed`, as soon as it has struck. */
  workerKilled(injected: Injected, killedAt: number): void
  /** Of a fault that measures `redis-restarted`, as soon as Redis answers again. */
  redisRestarted(backAt: number): void
  /** Everything measured; resolves when nothing is measured any more. */
  done(): Promise<readonly MeasuredRecovery[]>
}

const lookEveryMs = 50
/** What takes longer is found by other rules, and counts as this long here. */
const patienceMs = 60_000

/** Measures how soon work goes on: each job of a killed worker, and the first answer after Redis was away. */
export function createRecoveries(system: System): Recoveries {
  const measured: MeasuredRecovery[] = []
  const measuring = new Set<Promise<void>>()
  const measure = (work: (signal: AbortSignal) => Promise<void>): void => {
    // One that cannot be had, because the next fault came upon it, is left out.
    const one = work(AbortSignal.timeout(patienceMs)).catch(() => {})
    measuring.add(one)
  }
  const note = (after: Recovery['after'], from: number): void => {
    const to = Date.now()
    measured.push({ after, from, to, seconds: (to - from) / 1000 })
  }

  return {
    workerKilled({ target }, killedAt) {
      const pid = membersOf(system).find(({ name }) => name === target)?.pid
      if (pid === undefined) return
      measure((signal) =>
        lookInside(system, (inside) => awaitJobs(inside, pid, signal, () => note('worker-killed', killedAt))),
      )
    },
    redisRestarted(backAt) {
      measure(async (signal) => {
        const answered = new AbortController()
        const asking = AbortSignal.any([signal, answered.signal])
        await Promise.any(system.ingresses.map((ingress) => awaitAnswer(ingress, system.masterKey, asking)))
        answered.abort()
        note('redis-restarted', backAt)
      })
    },
    async done() {
      await Promise.all(measuring)
      return measured
    },
  }
}

async function awaitJobs(inside: Inside, pid: number, signal: AbortSignal, onGoneOn: () => void): Promise<void> {
  let waiting: readonly RunningJob[] = await orAbort(inside.runningOn(pid), signal)
  while (waiting.length > 0) {
    const goneOn = new Set(await orAbort(inside.goneOn(waiting), signal))
    for (const _ of goneOn) onGoneOn()
    waiting = waiting.filter((job) => !goneOn.has(job))
    if (waiting.length > 0) await sleep(lookEveryMs, undefined, { signal })
  }
}

/** Asks until there is an answer, as a client who comes just then. */
async function awaitAnswer({ url }: Ingress, masterKey: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${masterKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Are you there?' }], max_tokens: 1 }),
      signal,
    }).catch(() => null)
    await response?.arrayBuffer().catch(() => null)
    if (response?.ok) return
    await sleep(lookEveryMs, undefined, { signal })
  }
}

async function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    signal.throwIfAborted()
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
    work.catch(() => {})
  }
}
