import { type Dispatcher, Pool } from 'undici'
import { createFaultCounter } from './fault-counter.ts'
import type { Endpoint, Faults, LoadResults, LoadTask } from './protocol.ts'

/** Asked at once, while submitting jobs and opening readers. */
const atOnce = 32
const longMs = 3_600_000

/** Submits jobs of a model that nobody works on, so that they wait. */
export async function submitJobs(
  task: Extract<LoadTask, { kind: 'submit-jobs' }>,
): Promise<LoadResults['submit-jobs']> {
  const { origin, pathname } = new URL(task.endpoint.baseUrl)
  const pool = new Pool(origin, { connections: atOnce, pipelining: 1 })
  const faults = createFaultCounter()
  const request = { model: task.model, messages: [{ role: 'user', content: 'Wait.' }] }
  const jobIds: string[] = []
  const submit = async (): Promise<void> => {
    try {
      const { statusCode, body } = await pool.request({
        path: `${pathname}/jobs`,
        method: 'POST',
        headers: { ...task.endpoint.headers, 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'completion', request }),
      })
      const answer = (await body.json()) as { id?: unknown }
      if (statusCode === 202 && typeof answer.id === 'string') jobIds.push(answer.id)
      else faults.add(`status ${statusCode}`)
    } catch (thrown) {
      faults.add(thrown instanceof Error ? thrown.message : String(thrown))
    }
  }
  await inParallel(Array.from({ length: task.count }), submit)
  await pool.destroy()
  return { jobIds, faults: faults.counts() }
}

/** Connections that read the events of waiting jobs and get next to nothing. */
export interface IdleReaders {
  /** How many are open still. */
  open(): number
  faults(): Faults
  close(): Promise<void>
}

/** Opens one reader for each job, and resolves when each has got its first bytes, or failed. */
export async function openReaders(endpoint: Endpoint, jobIds: readonly string[]): Promise<IdleReaders> {
  const { origin, pathname } = new URL(endpoint.baseUrl)
  const options = { connections: jobIds.length, pipelining: 1, headersTimeout: 30_000, bodyTimeout: longMs }
  const pools = sourceAddresses(jobIds.length).map(
    (localAddress) => new Pool(origin, localAddress === undefined ? options : { ...options, localAddress }),
  )
  let opened = 0
  const faults = createFaultCounter()
  let open = 0
  let closing = false

  const openOne = (jobId: string): Promise<void> =>
    new Promise((resolve) => {
      let isOpen = false
      const end = (fault: string): void => {
        if (isOpen) open -= 1
        isOpen = false
        if (!closing) faults.add(fault)
        resolve()
      }
      let status = 0
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode
        },
        onResponseData() {
          if (isOpen || status !== 200) return
          isOpen = true
          open += 1
          resolve()
        },
        onResponseEnd: () => end(status === 200 ? 'ended while its job waits' : `status ${status}`),
        onResponseError: (_controller, error) => end('code' in error ? String(error.code) : error.message),
      }
      pools[opened++ % pools.length]?.dispatch(
        { path: `${pathname}/jobs/${jobId}/events`, method: 'GET', headers: { ...endpoint.headers } },
        handler,
      )
    })
  await inParallel(jobIds, openOne)
  return {
    open: () => open,
    faults: () => faults.counts(),
    async close() {
      closing = true
      await Promise.all(pools.map((pool) => pool.destroy()))
    },
  }
}

const connectionsPerAddress = 20_000

/**
 * From one address only so many ports lead to one server: more connections leave from 127.0.0.2 and so on. Undefined: the
 * one the system takes.
 */
function sourceAddresses(connections: number): (string | undefined)[] {
  const further = Math.ceil(connections / connectionsPerAddress) - 1
  return [undefined, ...Array.from({ length: further }, (_, index) => `127.0.0.${index + 2}`)]
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  let next = 0
  const loop = async (): Promise<void> => {
    while (next < items.length) await run(items[next++] as T)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, loop))
}
