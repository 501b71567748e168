import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from './database.ts'
import type { PostgresUnderFire } from './system.ts'

/** How long only a server is there that cannot be written to. */
const readOnlyMs = 1_000

export function createPostgresUnderFire(database: Database): PostgresUnderFire {
  return {
    url: database.url,
    kind: database.kind,
    stop: (signal) => database.stop(signal),
    start: () => database.start(),
    pause: () => database.send('SIGSTOP'),
    resume: () => database.send('SIGCONT'),
    async failOver() {
      await database.restartReadOnly()
      await sleep(readOnlyMs)
      await database.allowWrites()
    },
  }
}
