import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSilentLog, startEmbeddedPostgres } from '@inferq/runtime'
import { createStore, type Store, type StoreOptions } from '@inferq/store'

export interface TestDatabase {
  readonly store: Store
  /** Stops it where it is, so that it takes connections and answers nothing; and lets it go on. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

/** An embedded Postgres of this test's own, migrated. */
export async function startDatabase(options: Pick<StoreOptions, 'answerWithinMs'> = {}): Promise<TestDatabase> {
  const directory = await mkdtemp(join(tmpdir(), 'inferq-ingress-'))
  const log = createSilentLog()
  const server = await startEmbeddedPostgres({
    dataDir: join(directory, 'postgres'),
    cacheDir: join(import.meta.dirname, '../../../../.inferq/cache'),
    log,
  })
  const store = createStore({ url: server.url, log, relayAfterMs: 0, ...options })
  await store.migrate()
  return {
    store,
    pause: () => void process.kill(server.pid ?? 0, 'SIGSTOP'),
    resume: () => void process.kill(server.pid ?? 0, 'SIGCONT'),
    async stop() {
      await store.close()
      await server.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
