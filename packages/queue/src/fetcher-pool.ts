import { type Clock, createService, type Log, type Service } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import type { Fetcher } from './fetcher.ts'
import { createProgressWatch, type ProgressWatchOptions } from './progress-watch.ts'
import { spreadLimit } from './spread-limit.ts'

/** The fetchers of one class, that share its limit. One that is wedged is replaced. */
export interface FetcherPool extends Service {
  quiet(): Promise<void>
  /** Jobs at once, from now on; running ones are left alone. */
  resize(limit: number): void
  /** So many of them are jobs that no fetcher has fetched: that many less are. One place is left to look out from. */
  occupy(count: number): void
  /** Jobs that may run at once; 0: none may begin, for the time being or for good. */
  readonly limit: number
  /** Those that there is use for. */
  readonly fetchers: readonly Fetcher[]
}

export interface FetcherPoolOptions {
  readonly class: string
  readonly limit: number
  /** Commands: for the length of the backlog. */
  readonly redis: Redis
  readonly clock: Clock
  readonly log: Log
  /** When a fetcher with room and a backlog counts as wedged. */
  readonly watch?: Pick<ProgressWatchOptions, 'everyMs' | 'stuckMs'> | undefined
  create(jobsAtOnce: number, looksForStalled: boolean): Fetcher
  /** A fetcher was wedged, and another one has taken its place. */
  onRecreated?: (() => void) | undefined
}

/**
 * BullMQ fetches one job per round trip and Worker, so a wide class is served by several. All share one connection for
 * commands; each has one of its own to wait on.
 */
const jobsPerFetcher = 8
const maxFetchers = 8

export function createFetcherPool(options: FetcherPoolOptions): FetcherPool {
  const { redis, clock, log, create } = options
  let { limit } = options
  const fetchers: Fetcher[] = []
  /** Fetchers that there is no use for any more, until their jobs have ended. */
  const leaving = new Map<Fetcher, Promise<void>>()
  let quieted = false
  /** Of the limit, what is not for fetchers. */
  let occupied = 0

  const retire = (fetcher: Fetcher): void => {
    leaving.set(
      fetcher,
      fetcher.retire().then(() => void leaving.delete(fetcher)),
    )
  }

  /** Its jobs go on where they are. */
  const recreate = (stuck: Fetcher, facts: object): void => {
    const place = fetchers.indexOf(stuck)
    if (quieted || place < 0) return
    log.warn({ class: options.class, running: stuck.running, ...facts }, 'consumer-recreated')
    const fetcher = create(stuck.jobsAtOnce, stuck.looksForStalled)
    fetchers[place] = fetcher
    retire(stuck)
    fetcher.launch()
    options.onRecreated?.()
  }

  const backlog = async (): Promise<number> => {
    const [worker] = fetchers.map((fetcher) => fetcher.worker)
    if (worker === undefined) return 0
    const [waiting, prioritized] = await Promise.all([
      redis.llen(worker.toKey('wait')),
      redis.zcard(worker.toKey('prioritized')),
    ])
    return waiting + prioritized
  }

  const watch = createProgressWatch({
    ...options.watch,
    name: `progress ${options.class}`,
    ...{ clock, log, backlog },
    fetchers: () => (quieted ? [] : fetchers),
    onStuck: recreate,
  })

  /** None goes for a limit that is a little lower now: each is a connection. */
  const countOf = (jobsAtOnce: number): number =>
    Math.max(Math.min(maxFetchers, Math.ceil(jobsAtOnce / jobsPerFetcher)), Math.min(fetchers.length, jobsAtOnce))
  const begin = (fetcher: Fetcher): void => {
    if (fetcher.jobsAtOnce > 0) fetcher.launch()
    else fetcher.lookOut()
  }

  /** Whoever looks for jobs of lost workers keeps a place: one that has none does not look. */
  const spread = (): void => {
    const before = fetchers.map(({ jobsAtOnce, looksForStalled }) => jobsAtOnce - (looksForStalled ? 1 : 0))
    const places = limit === 0 ? -1 : Math.max(0, limit - occupied - 1)
    for (const [index, share] of spreadLimit(places, before).entries()) {
      const fetcher = fetchers[index]
      if (fetcher === undefined) continue
      fetcher.jobsAtOnce = share + (fetcher.looksForStalled ? 1 : 0)
      begin(fetcher)
    }
  }

  const service = createService({
    name: `fetchers ${options.class}`,
    async start() {
      const count = Math.max(1, countOf(limit))
      const shares = spreadLimit(limit, Array(count).fill(0))
      for (const [place, share] of shares.entries()) fetchers.push(create(share, place === 0))
      await Promise.all(fetchers.map(({ worker }) => worker.waitUntilReady()))
      fetchers.forEach(begin)
      await watch.start()
    },
    async stop(deadline) {
      quieted = true
      await watch.stop(deadline)
      const closed = Promise.all([...leaving.values(), ...fetchers.map((fetcher) => fetcher.retire())])
      const late = new Promise<'late'>((resolve) => {
        if (deadline.signal.aborted) resolve('late')
        else deadline.signal.addEventListener('abort', () => resolve('late'), { once: true })
      })
      if ((await Promise.race([closed, late])) === 'late') {
        await Promise.all([...leaving.keys(), ...fetchers].map(({ worker }) => worker.backend.close(true)))
      }
    },
  })

  return {
    ...service,
    async quiet() {
      quieted = true
      await Promise.all(fetchers.map((fetcher) => fetcher.quiet()))
    },
    resize(jobsAtOnce) {
      if (jobsAtOnce === limit) return
      limit = jobsAtOnce
      if (quieted || fetchers.length === 0) return
      const count = countOf(limit)
      for (const fetcher of fetchers.splice(count)) retire(fetcher)
      // Nothing may be taken: one that only looks for jobs of lost workers, and fetches at once when it is launched.
      if (count === 0) fetchers.push(create(0, true))
      while (fetchers.length < count) fetchers.push(create(0, false))
      spread()
    },
    occupy(count) {
      if (count === occupied) return
      occupied = count
      if (!quieted && limit > 0) spread()
    },
    get limit() {
      return quieted ? 0 : limit
    },
    get fetchers() {
      return fetchers
    },
  }
}
