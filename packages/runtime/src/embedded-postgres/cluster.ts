import { constants, existsSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PGlite } from '@electric-sql/pglite'
import { vector } from '@electric-sql/pglite-pgvector'

/**
 * Postgres' own cache of pages, all of it resident from the start. Above it lies that of the operating system: the default of
 * 128 MB only costs memory (ends are recorded as fast with 32).
 */
const sharedBuffers = '32MB'

/**
 * Opens the database cluster in `<dataDir>/pgdata`, making it first if there is none. Making one takes seconds, so a
 * fresh one is kept in `cacheDir` as a template, and the next is copied from it. The cluster is made beside its place
 * and moved in when whole: a start killed half-way leaves nothing that looks like a database.
 */
export async function openCluster(dataDir: string, cacheDir: string | undefined): Promise<PGlite> {
  const cluster = join(dataDir, 'pgdata')
  if (!existsSync(join(cluster, 'PG_VERSION'))) await makeCluster(cluster, cacheDir)
  const startParams = [...PGlite.defaultStartParams, '-c', `shared_buffers=${sharedBuffers}`]
  return await PGlite.create({ dataDir: cluster, extensions: { vector }, startParams })
}

async function makeCluster(cluster: string, cacheDir: string | undefined): Promise<void> {
  const unfinished = `${cluster}.unfinished`
  await rm(unfinished, { recursive: true, force: true })
  const template = cacheDir === undefined ? undefined : join(cacheDir, `postgres-template-${await pgliteVersion()}`)
  const copied = template !== undefined && existsSync(template) && (await tryCopy(template, unfinished))
  if (!copied) {
    const database = await PGlite.create({ dataDir: unfinished })
    await database.close()
    if (template !== undefined) await keepTemplate(unfinished, template)
  }
  await rename(unfinished, cluster)
}

async function tryCopy(from: string, to: string): Promise<boolean> {
  try {
    await copyDir(from, to)
    return true
  } catch {
    await rm(to, { recursive: true, force: true })
    return false
  }
}

/** Best effort: without a template the next new cluster only takes longer. */
async function keepTemplate(cluster: string, template: string): Promise<void> {
  const unfinished = `${template}.${process.pid}`
  try {
    await mkdir(dirname(template), { recursive: true })
    await copyDir(cluster, unfinished)
    await rename(unfinished, template)
  } catch {
    await rm(unfinished, { recursive: true, force: true })
  }
}

function copyDir(from: string, to: string): Promise<void> {
  return cp(from, to, { recursive: true, mode: constants.COPYFILE_FICLONE })
}

async function pgliteVersion(): Promise<string> {
  const manifest = join(dirname(fileURLToPath(import.meta.resolve('@electric-sql/pglite'))), '..', 'package.json')
  const parsed: unknown = JSON.parse(await readFile(manifest, 'utf8'))
  const version = typeof parsed === 'object' && parsed !== null && 'version' in parsed ? parsed.version : undefined
  return typeof version === 'string' ? version : 'unknown'
}
