import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, startEmbeddedPostgres } from '@inferq/runtime'
import { createStore, type Store } from '@inferq/store'

export interface TestDatabase {
  readonly store: Store
  stop(): Promise<void>
}

/** An embedded Postgres of this test's own, migrated. */
export async function startDatabase(): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'inferq-ingress-'))
  const log = createSilentLog()
  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    cacheDir: join(import.meta.dirname, '../../../../.inferq/cache'),
    log,
  })
  const store = createStore({ url: server.url, log, relayAfterMs: 0 })
  await store.migrate()
  return {
    store,
    async stop() {
      await store.close()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
