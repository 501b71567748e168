import { InferqError } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanText } from './postgres-text.ts'
import { toTimestamp } from './rows-input.ts'

/** A file that can be read. */
export interface StoredFile {
  readonly id: string
  readonly owner: string
  readonly purpose: string
  readonly filename: string
  readonly bytes: number
  /** ms since the epoch */
  readonly createdAt: number
  /** Null: never. */
  readonly expiresAt: number | null
}

export interface FileListQuery {
  readonly limit: number
  readonly order: 'asc' | 'desc'
  /** Id of the last file of an earlier page. */
  readonly after?: string
  readonly purpose?: string
}

/** What is known of files; their bytes are elsewhere. */
export interface FileTable {
  /** A file that is being written: nobody sees it, and if it never becomes ready it is swept away. */
  insertFile(file: Pick<StoredFile, 'id' | 'owner' | 'createdAt'>): Promise<void>
  /** The file can be read from now on. False: it was deleted meanwhile. */
  completeFile(file: Omit<StoredFile, 'owner' | 'createdAt'>): Promise<boolean>
  /** Null: there is none, it is not the owner's, or it has expired. */
  getFile(id: string, owner: string): Promise<StoredFile | null>
  /** Throws `invalid_value` for an `after` that is no file of the owner's. */
  listFiles(
    owner: string,
    query: FileListQuery,
  ): Promise<{ readonly files: readonly StoredFile[]; readonly hasMore: boolean }>
  /** Nobody sees it any more. `in_use`: a batch still reads it. */
  deleteFile(id: string, owner: string): Promise<'deleted' | 'in_use' | 'unknown'>
  /** Files whose bytes can go: deleted, expired, or begun before `abandonedBefore` (ms) and never finished. */
  findDeadFiles(options: { readonly abandonedBefore: number; readonly limit: number }): Promise<readonly string[]>
  /** Their bytes are gone. */
  forgetFiles(ids: readonly string[]): Promise<void>
}

export function createFileTable(database: Database): FileTable {
  return {
    async insertFile({ id, owner, createdAt }) {
      await database.run({
        name: 'insert-file',
        text: `
          insert into files (id, owner, purpose, filename, status, created_at)
          values ($1, $2, '', '', 'uploading', ${toTimestamp('$3::float8')})
          on conflict (id) do nothing`,
        values: [id, cleanText(owner), createdAt],
      })
    },

    async completeFile({ id, purpose, filename, bytes, expiresAt }) {
      const rows = await database.run({
        name: 'complete-file',
        text: `
          update files set status = 'ready', purpose = $2, filename = $3, bytes = $4,
            expires_at = ${toTimestamp('$5::float8')}
          where id = $1 and status in ('uploading', 'ready')
          returning id`,
        values: [id, cleanText(purpose), cleanText(filename), bytes, expiresAt],
      })
      return rows.length > 0
    },

    async getFile(id, owner) {
      const [row] = await database.run<FileRow>({
        name: 'get-file',
        text: `select ${columns} from files where id = $1 and owner = $2 and ${visible}`,
        values: [cleanText(id), cleanText(owner)],
      })
      return row === undefined ? null : toFile(row)
    },

    listFiles: (owner, query) => listFiles(database, owner, query),

    async deleteFile(id, owner) {
      const [row] = await database.run<{ readonly found: boolean; readonly used: boolean }>({
        name: 'delete-file',
        text: `
          with used as (
            select 1 from batches where input_file_id = $1 and status = 'validating'
          ), deleted as (
            update files set status = 'deleted'
            where id = $1 and owner = $2 and ${visible} and not exists (select 1 from used)
            returning id
          )
          select exists (select 1 from files where id = $1 and owner = $2 and ${visible}) as found,
            exists (select 1 from used) as used,
            (select count(*) from deleted) as count`,
        values: [cleanText(id), cleanText(owner)],
      })
      if (row?.found !== true) return 'unknown'
      return row.used ? 'in_use' : 'deleted'
    },

    async findDeadFiles({ abandonedBefore, limit }) {
      const rows = await database.run<{ readonly id: string }>({
        name: 'find-dead-files',
        text: `
          select id from files
          where (status = 'deleted' or (status = 'uploading' and created_at < ${toTimestamp('$1::float8')})
            or expires_at <= now())
            and not exists (select 1 from batches where input_file_id = files.id and batches.status = 'validating')
          limit $2`,
        values: [abandonedBefore, limit],
      })
      return rows.map(({ id }) => id)
    },

    async forgetFiles(ids) {
      if (ids.length === 0) return
      await database.run({ name: 'forget-files', text: 'delete from files where id = any($1)', values: [ids] })
    },
  }
}

const visible = `status = 'ready' and (expires_at is null or expires_at > now())`
const columns = 'id, owner, purpose, filename, bytes, created_at, expires_at'

interface FileRow {
  readonly id: string
  readonly owner: string
  readonly purpose: string
  readonly filename: string
  readonly bytes: number
  readonly created_at: Date
  readonly expires_at: Date | null
}

async function listFiles(database: Database, owner: string, query: FileListQuery): ReturnType<FileTable['listFiles']> {
  const { limit, order, after = null, purpose = null } = query
  const compare = order === 'asc' ? '>' : '<'
  const rows = await database.run<FileRow & { readonly known: boolean }>({
    name: 'list-files',
    text: `
      with cursor as (
        select created_at, id from files where id = $3 and owner = $1
      )
      select page.*, known.known
      from (select $3::text is null or exists (select 1 from cursor) as known) as known
      left join lateral (
        select ${columns} from files
        where owner = $1 and ${visible} and ($4::text is null or purpose = $4)
          and ($3::text is null or (created_at, id) ${compare} (select created_at, id from cursor))
        order by created_at ${order}, id ${order}
        limit $2
      ) as page on true`,
    values: [
      cleanText(owner),
      limit + 1,
      after === null ? null : cleanText(after),
      purpose === null ? null : cleanText(purpose),
    ],
  })
  if (rows[0]?.known !== true) throw unknownCursor('a file')
  const files = rows.filter((row) => row.id !== null)
  return { files: files.slice(0, limit).map(toFile), hasMore: files.length > limit }
}

/** `after` names nothing of the owner's. */
export function unknownCursor(what: string): InferqError {
  const message = `Invalid value for 'after': must be the id of ${what} of yours.`
  return new InferqError({ code: 'invalid_value', message, param: 'after' })
}

function toFile(row: FileRow): StoredFile {
  return {
    id: row.id,
    owner: row.owner,
    purpose: row.purpose,
    filename: row.filename,
    bytes: row.bytes,
    createdAt: row.created_at.getTime(),
    expiresAt: row.expires_at === null ? null : row.expires_at.getTime(),
  }
}
