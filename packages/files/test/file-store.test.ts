import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFileStore, type FileStore } from '../src/index.ts'
import { createS3Files } from '../src/s3-files.ts'
import { credentials, region, type S3Server, startS3Server } from './support/s3-server.ts'

const partBytes = 5 * 1024 * 1024
let directory: string
let s3: S3Server

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'inferq-files-'))
  s3 = await startS3Server('bucket')
})
afterAll(async () => {
  await s3?.stop()
  await rm(directory, { recursive: true, force: true })
})

const s3Options = (url = s3.url) => ({ kind: 's3' as const, bucket: 'bucket', endpoint: url, region, ...credentials })
const leftovers = async (): Promise<unknown[]> => [
  ...(await readdir(directory)).filter((name) => name.endsWith('.part')),
  ...s3.openUploads.keys(),
]
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** One suite over every kind of storage. */
describe.each<[string, () => FileStore]>([
  ['local disk', () => createFileStore({ kind: 'local', path: directory }, 'elsewhere')],
  ['S3', () => createS3Files(s3Options(), partBytes)],
])('files on %s', (_, create) => {
  let files: FileStore
  beforeAll(() => {
    files = create()
  })
  const read = async (id: string, range?: { start: number; end: number }): Promise<Buffer> =>
    buffer(await files.open(id, range))

  it.each([0, 1, 70_000, partBytes, partBytes + 1, 2 * partBytes, 3 * partBytes + 17])(
    'keep %i bytes, however they come',
    async (size) => {
      const bytes = randomBytes(size)
      const id = `file-size${size}`
      expect(await files.put(id, inChunks(bytes, 65_521), { maxBytes: size })).toEqual({ bytes: size })
      expect(digest(await read(id))).toBe(digest(bytes))
    },
  )

  it('give a part of a file', async () => {
    await files.put('file-range', Readable.from([Buffer.from('0123456789')]), { maxBytes: 10 })
    expect((await read('file-range', { start: 2, end: 4 })).toString()).toBe('234')
    expect((await read('file-range', { start: 0, end: 0 })).toString()).toBe('0')
    expect((await read('file-range', { start: 9, end: 9 })).toString()).toBe('9')
  })

  it('are replaced as a whole', async () => {
    await files.put('file-twice', Readable.from([Buffer.from('first and longer')]), { maxBytes: 100 })
    await files.put('file-twice', Readable.from([Buffer.from('second')]), { maxBytes: 100 })
    expect((await read('file-twice')).toString()).toBe('second')
  })

  it.each([100, 3 * partBytes])(
    'refuse what goes beyond the bound of %i bytes, and keep nothing of it',
    async (bound) => {
      const put = files.put('file-big', inChunks(randomBytes(bound + 1), 65_536), { maxBytes: bound })
      await expect(put).rejects.toMatchObject({ code: 'payload_too_large' })
      await expect(read('file-big')).rejects.toMatchObject({ code: 'file_not_found' })
      expect(await leftovers()).toEqual([])
    },
  )

  it('keep nothing of a source that breaks off, and throw what it threw', async () => {
    async function* broken(): AsyncGenerator<Buffer> {
      yield* inChunks(randomBytes(2 * partBytes + 5), 65_536)
      throw new Error('the client is gone')
    }
    await expect(files.put('file-cut', broken(), { maxBytes: 1e9 })).rejects.toThrow('the client is gone')
    await expect(read('file-cut')).rejects.toMatchObject({ code: 'file_not_found' })
    expect(await leftovers()).toEqual([])
  })

  it('leave what was there when a replacement breaks off', async () => {
    await files.put('file-kept', Readable.from([Buffer.from('kept')]), { maxBytes: 100 })
    const put = files.put('file-kept', Readable.from([Buffer.alloc(200)]), { maxBytes: 100 })
    await expect(put).rejects.toMatchObject({ code: 'payload_too_large' })
    expect((await read('file-kept')).toString()).toBe('kept')
  })

  it('are gone once removed, and may be removed again', async () => {
    await files.put('file-gone', Readable.from([Buffer.from('x')]), { maxBytes: 1 })
    await files.remove('file-gone')
    await files.remove('file-gone')
    await expect(read('file-gone')).rejects.toMatchObject({ code: 'file_not_found' })
  })

  it.each(['../escape', 'a/b', '', '.', 'UPPER', 'x'.repeat(121), 'file-\0'])('know no file %j', async (id) => {
    await expect(files.open(id)).rejects.toMatchObject({ code: 'file_not_found' })
    await expect(files.put(id, Readable.from([]), { maxBytes: 1 })).rejects.toMatchObject({ code: 'file_not_found' })
    await expect(files.remove(id)).rejects.toMatchObject({ code: 'file_not_found' })
  })
})

describe('the local disk', () => {
  it('lets nobody else read the files', async () => {
    const own = join(directory, 'below', 'data')
    const files = createFileStore({ kind: 'local' }, own)
    await files.put('file-mine', Readable.from([Buffer.from('x')]), { maxBytes: 1 })
    expect((await stat(join(own, 'file-mine'))).mode & 0o777).toBe(0o600)
    expect((await stat(own)).mode & 0o777).toBe(0o700)
  })

  it('clears away what died in the middle of an upload a day ago', async () => {
    const own = await mkdtemp(join(directory, 'stale-'))
    for (const name of ['old.part', 'new.part']) await writeFile(join(own, name), 'x')
    await utimes(join(own, 'old.part'), 1, 1)
    const files = createFileStore({ kind: 'local', path: own }, '')
    await files.put('file-x', Readable.from([]), { maxBytes: 1 })
    expect((await readdir(own)).sort()).toEqual(['file-x', 'new.part'])
  })
})

describe('S3', () => {
  it('is asked again when it has trouble for a moment', async () => {
    const files = createS3Files(s3Options())
    s3.fail(2)
    await files.put('file-again', Readable.from([Buffer.from('x')]), { maxBytes: 1 })
    expect(s3.objects.get('file-again')?.toString()).toBe('x')
  })

  it('that refuses the signature, or is not there, is no missing file', async () => {
    const wrong = createS3Files({ ...s3Options(), secretAccessKey: 'wrong' })
    const failure = { code: 'service_unavailable', message: 'The file storage does not answer.' }
    await expect(wrong.open('file-again')).rejects.toMatchObject(failure)
    const nowhere = createS3Files(s3Options('http://127.0.0.1:9'))
    await expect(nowhere.put('file-x', Readable.from([Buffer.from('x')]), { maxBytes: 1 })).rejects.toMatchObject(
      failure,
    )
  })

  it('gets large files in parts, and small ones whole', async () => {
    s3.requests.length = 0
    const files = createFileStore(s3Options(), '')
    await files.put('file-small', Readable.from([Buffer.from('x')]), { maxBytes: 1 })
    expect(s3.requests).toEqual(['PUT file-small'])
    await files.put('file-large', inChunks(Buffer.alloc(9 * 1024 * 1024), 1e6), { maxBytes: 1e9 })
    expect(s3.requests.slice(1)).toEqual([
      'POST file-large',
      'PUT file-large part 1',
      'PUT file-large part 2',
      'POST file-large',
    ])
  })
})
