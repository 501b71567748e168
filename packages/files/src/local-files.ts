import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { bounded, SourceError } from './bounded.ts'
import { checkId, notFound, unavailable } from './errors.ts'
import type { FileStore } from './port.ts'

const partSuffix = '.part'
/** An upload takes minutes at most: what is older was left behind by a process that died. */
const abandonedMs = 86_400_000

/**
 * Files of one directory, readable by this user alone. A file is written beside its name, forced to the disk and renamed:
 * a name either has the whole file or does not exist. Several processes may share the directory.
 */
export function createLocalFiles(directory: string): FileStore {
  const pathOf = (id: string): string => join(directory, checkId(id))
  let prepared: Promise<void> | undefined

  const prepare = (): Promise<void> => {
    prepared ??= makeDirectory(directory).catch((thrown: unknown) => {
      prepared = undefined
      throw unavailable(thrown)
    })
    return prepared
  }

  return {
    async put(id, source, { maxBytes }) {
      const path = pathOf(id)
      await prepare()
      const part = join(directory, `${id}.${randomUUID()}${partSuffix}`)
      try {
        const bytes = await write(part, bounded(source, maxBytes))
        await rename(part, path)
        await syncDirectory(directory)
        return { bytes }
      } catch (thrown) {
        await rm(part, { force: true }).catch((): void => {})
        throw thrown instanceof SourceError ? thrown.cause : unavailable(thrown)
      }
    },

    async open(id, range) {
      const handle = await open(pathOf(id), constants.O_RDONLY).catch((thrown: unknown) => {
        throw codeOf(thrown) === 'ENOENT' ? notFound(id) : unavailable(thrown)
      })
      return handle.createReadStream({ ...range, autoClose: true })
    },

    async remove(id) {
      await rm(pathOf(id), { force: true }).catch((thrown: unknown) => {
        throw unavailable(thrown)
      })
    },
  }
}

async function write(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
  const handle = await open(path, 'wx', 0o600)
  try {
    let bytes = 0
    for await (const chunk of chunks) {
      await writeWhole(handle, chunk)
      bytes += chunk.byteLength
    }
    await handle.sync()
    return bytes
  } finally {
    await handle.close()
  }
}

/** A write may take only a part of what it is given. */
async function writeWhole(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let written = 0
  while (written < chunk.byteLength) written += (await handle.write(chunk, written)).bytesWritten
}

async function makeDirectory(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  for (const name of await readdir(directory)) {
    if (!name.endsWith(partSuffix)) continue
    const path = join(directory, name)
    const facts = await stat(path).catch(() => null)
    if (facts !== null && Date.now() - facts.mtimeMs > abandonedMs) await rm(path, { force: true })
  }
}

/** So that the name too survives a loss of power. Not every system lets a directory be opened. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY).catch(() => null)
  if (handle === null) return
  try {
    await handle.sync().catch((): void => {})
  } finally {
    await handle.close()
  }
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
}
