import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { FilesConfig } from '@inferq/config'
import { S3mini, S3ServiceError, type UploadPart } from 's3mini'
import { bounded, SourceError } from './bounded.ts'
import { checkId, notFound, unavailable } from './errors.ts'
import type { FileStore } from './port.ts'

export type S3Options = Extract<FilesConfig['storage'], { kind: 's3' }>

/** What is held in memory of an upload. S3 wants parts of at least 5 MB, and at most 10,000 of them. */
const defaultPartBytes = 8 * 1024 * 1024
/** Until the head of an answer is there; a body takes as long as its reader. */
const answerTimeoutMs = 60_000
const tries = 3

/** Objects of one bucket, at AWS or any server that speaks its protocol. Files beyond one part go up part by part. */
export function createS3Files(options: S3Options, partBytes = defaultPartBytes): FileStore {
  const { bucket, endpoint, region, accessKeyId, secretAccessKey } = options
  const client = new S3mini({
    accessKeyId,
    secretAccessKey,
    endpoint: `${endpoint}/${bucket}`,
    region,
    minPartSize: partBytes,
    fetch: fetchInTime,
  })

  const putParts = async (id: string, parts: AsyncIterable<Buffer>): Promise<number> => {
    // One part is held back until it is known whether there are more: a lone one needs no upload in parts.
    let held: Buffer = Buffer.alloc(0)
    let uploadId: string | undefined
    const uploaded: UploadPart[] = []
    let bytes = 0
    const send = async (part: Buffer): Promise<void> => {
      const upload = uploadId ?? (await persist(() => client.getMultipartUploadId(id)))
      uploadId = upload
      uploaded.push(await persist(() => client.uploadPart(id, upload, part, uploaded.length + 1)))
    }
    try {
      for await (const part of parts) {
        if (bytes > 0) await send(held)
        held = part
        bytes += part.byteLength
      }
      if (uploadId === undefined) await persist(() => client.putObject(id, held))
      else {
        await send(held)
        await client.completeMultipartUpload(id, uploadId, uploaded)
      }
      return bytes
    } catch (thrown) {
      // What is left of a broken upload is paid for until it is aborted.
      if (uploadId !== undefined) await client.abortMultipartUpload(id, uploadId).catch((): void => {})
      throw thrown
    }
  }

  return {
    async put(id, source, { maxBytes }) {
      checkId(id)
      try {
        return { bytes: await putParts(id, inParts(bounded(source, maxBytes), partBytes)) }
      } catch (thrown) {
        throw thrown instanceof SourceError ? thrown.cause : unavailable(thrown)
      }
    },

    async open(id, range) {
      checkId(id)
      const response = await persist(() =>
        range === undefined ? client.getObjectRaw(id) : client.getObjectRaw(id, false, range.start, range.end + 1),
      ).catch((thrown: unknown) => {
        throw thrown instanceof S3ServiceError && thrown.status === 404 ? notFound(id) : unavailable(thrown)
      })
      return response.body === null ? Readable.from([]) : Readable.fromWeb(response.body as ReadableStream)
    },

    async remove(id) {
      checkId(id)
      await persist(() => client.deleteObject(id)).catch((thrown: unknown) => {
        if (!(thrown instanceof S3ServiceError && thrown.status === 404)) throw unavailable(thrown)
      })
    },
  }
}

/** Buffers of `partBytes`, the last one shorter. */
async function* inParts(chunks: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer, void> {
  let gathered: Uint8Array[] = []
  let size = 0
  for await (let chunk of chunks) {
    while (size + chunk.byteLength >= partBytes) {
      const room = partBytes - size
      yield Buffer.concat([...gathered, chunk.subarray(0, room)])
      gathered = []
      size = 0
      chunk = chunk.subarray(room)
    }
    if (chunk.byteLength === 0) continue
    gathered.push(chunk)
    size += chunk.byteLength
  }
  if (size > 0) yield Buffer.concat(gathered)
}

/** Another try where one makes sense: the server had trouble, or the connection broke. */
async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call()
    } catch (thrown) {
      const refused = thrown instanceof S3ServiceError && thrown.status < 500
      if (refused || attempt === tries) throw thrown
    }
  }
}

const fetchInTime: typeof fetch = async (input, init) => {
  const waiting = new AbortController()
  const timer = setTimeout(() => waiting.abort(new Error('S3 does not answer')), answerTimeoutMs)
  try {
    return await fetch(input, { ...init, signal: waiting.signal })
  } finally {
    clearTimeout(timer)
  }
}
