import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { InferqError } from '@inferq/contracts'
import type { Log } from '@inferq/runtime'
import type { Database } from './database.ts'
import { sqlState } from './errors.ts'

export interface Migration {
  readonly version: number
  readonly name: string
  readonly sql: string
  readonly checksum: string
}

/** Held while migrating, for the transaction only: any number of processes may start at once. The number is arbitrary. */
const migrationLock = 4_731_201_604

const migrationsDirectory = new URL('../migrations/', import.meta.url)

/** The migrations of this code, `0001_name.sql` upward without a gap. */
export async function readMigrations(directory: URL = migrationsDirectory): Promise<readonly Migration[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const match = /^(\d{4})_([a-z0-9_]+)\.sql$/.exec(file)
      const [, digits, name] = match ?? []
      if (name === undefined || Number(digits) !== index + 1) {
        throw new Error(`${file} is not migration number ${index + 1}`)
      }
      const sql = (await readFile(new URL(file, directory), 'utf8')).replaceAll('\r\n', '\n')
      return { version: index + 1, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

/**
 * Brings the database forward to this code, in one transaction: all of it or nothing. Gives the versions it applied.
 * Throws InferqError `internal_error` when the database is newer than the code, or when an applied migration was edited.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  options: { readonly log: Log; readonly timeoutMs: number },
): Promise<readonly number[]> {
  const run = <Row extends object>(text: string): Promise<Row[]> =>
    database.run<Row>({ name: 'migrate', text, timeoutMs: options.timeoutMs })

  await run(createTable)
  for (let tries = 0; tries < 10; tries++) {
    const applied = await run<AppliedMigration>(
      'select version, name, checksum from schema_migrations order by version',
    )
    const pending = pendingMigrations(applied, migrations)
    if (pending.length === 0) return []
    try {
      await run(toScript(applied.length, pending))
    } catch (thrown) {
      // Another process was faster: see what is left.
      if (sqlState(thrown) === movedOn) continue
      throw thrown
    }
    const versions = pending.map(({ version }) => version)
    options.log.info({ versions }, 'store-migrated')
    return versions
  }
  throw refusal('Other processes keep migrating the database.')
}

const takeLock = `select pg_advisory_xact_lock(${migrationLock});`

const createTable = `${takeLock}
create table if not exists schema_migrations (
  version integer primary key,
  name text not null,
  checksum text not null,
  applied_at timestamptz not null default now()
);`

/** serialization_failure */
const movedOn = '40001'

/** One script, hence one transaction, which fails when the database is not as it was seen. */
function toScript(appliedCount: number, pending: readonly Migration[]): string {
  const guard = `do $guard$ begin
  if (select count(*) from schema_migrations) <> ${appliedCount} then
    raise exception 'migrated by another process' using errcode = '${movedOn}';
  end if;
end $guard$;`
  const steps = pending.map(
    ({ version, name, checksum, sql }) => `${sql}
insert into schema_migrations (version, name, checksum) values (${version}, '${name}', '${checksum}');`,
  )
  return [takeLock, guard, ...steps].join('\n')
}

interface AppliedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
}

function pendingMigrations(applied: readonly AppliedMigration[], known: readonly Migration[]): readonly Migration[] {
  for (const { version, name, checksum } of applied) {
    const migration = known[version - 1]
    if (migration === undefined) {
      throw refusal(
        `The database is at migration ${applied.length}, this code knows ${known.length}: run a newer inferq.`,
      )
    }
    if (migration.checksum !== checksum) {
      throw refusal(`Migration ${version} (${name}) was applied with other content than this code has.`)
    }
  }
  return known.slice(applied.length)
}

function refusal(message: string): InferqError {
  return new InferqError({ code: 'internal_error', message })
}
