import type { PGlite } from '@electric-sql/pglite'
import type { Clock } from '../clock.ts'

export interface CheckpointOptions {
  /** How often it is looked how much was written. */
  readonly lookEveryMs: number
  /** Bytes of write-ahead log after which a checkpoint is made. */
  readonly afterBytes: number
}

/** 32 MiB are some 15,000 ends of jobs; checkpoints of 22 to 64 MB took 0.02 to 0.25 s on a busy machine, 0.02 to 0.05 s of CPU. */
export const usualCheckpoints: CheckpointOptions = { lookEveryMs: 5_000, afterBytes: 32 * 1024 ** 2 }

/**
 * Makes a checkpoint when one is due; to be called while nobody is in a transaction or in the middle of a statement. PGlite
 * runs Postgres without the processes around it, and alone it makes none until it is closed
 * (https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/access/transam/xlog.c, XLogWrite: only under a postmaster):
 * its log would grow as long as it runs, and all of it be replayed after a kill, before the database answers.
 */
export function createCheckpoints(
  database: PGlite,
  clock: Clock,
  { lookEveryMs, afterBytes }: CheckpointOptions,
): () => Promise<void> {
  let lookedAt = clock.monotonic()
  return async () => {
    if (clock.monotonic() - lookedAt < lookEveryMs) return
    lookedAt = clock.monotonic()
    const { rows } = await database.query<{ readonly bytes: number }>(
      'select (pg_current_wal_insert_lsn() - redo_lsn)::float8 as bytes from pg_control_checkpoint()',
    )
    if ((rows[0]?.bytes ?? 0) >= afterBytes) await database.exec('CHECKPOINT')
  }
}
