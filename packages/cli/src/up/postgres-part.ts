import { join } from 'node:path'
import { createService, type EmbeddedPostgres, type Service, startEmbeddedPostgres } from '@inferq/runtime'
import type { Logger } from '@inferq/telemetry'
import { shownPath } from '../settings.ts'
import { hostOf, type PartOptions } from './redis-part.ts'
import { reportReturns } from './returns.ts'

export interface PostgresPart {
  readonly service: Service
  /** Once it has started: its schema is then that of this version. */
  url(): string
  describe(): string
}

/** Postgres: the one that `url` names, or one of our own; migrated either way. */
export function createPostgresPart(url: string | undefined, options: PartOptions): PostgresPart {
  const { dataDir, log, clock, onChange } = options
  const place = join(dataDir, 'postgres')
  let embedded: EmbeddedPostgres | undefined
  let applied: readonly number[] = []
  const currentUrl = (): string => {
    const current = url ?? embedded?.url
    if (current === undefined) throw new Error('asked before it has started')
    return current
  }
  const service = createService({
    name: 'postgres',
    async start() {
      if (url === undefined) {
        const onState = reportReturns('Postgres', onChange)
        embedded = await startEmbeddedPostgres({ dataDir: place, log, clock, onState })
      }
      try {
        applied = await migrate(currentUrl(), log)
      } catch (thrown) {
        await embedded?.stop()
        throw thrown
      }
    },
    stop: (deadline) => embedded?.stop(deadline),
  })
  return {
    service,
    url: currentUrl,
    describe() {
      const schema = applied.length === 0 ? 'schema up to date' : `schema migrated to ${applied.at(-1)}`
      const origin = url === undefined ? `embedded, in ${shownPath(place)}` : `at ${hostOf(url)} (DATABASE_URL)`
      return `${origin}, ${schema}`
    },
  }
}

async function migrate(url: string, log: Logger): Promise<readonly number[]> {
  const { createStore } = await import('@inferq/store')
  const store = createStore({ url, log, maxConnections: 1 })
  try {
    return await store.migrate()
  } finally {
    await store.close()
  }
}
