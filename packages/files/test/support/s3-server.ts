import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AwsV4Signer } from 'aws4fetch'

export const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret-test' }
export const region = 'eu-test-1'

/** A server that speaks as much of S3 as our client does. It checks signatures with another library than the client's. */
export interface S3Server {
  readonly url: string
  readonly objects: Map<string, Buffer>
  /** Uploads in parts that are neither completed nor aborted. */
  readonly openUploads: ReadonlyMap<string, ReadonlyMap<number, Buffer>>
  readonly requests: string[]
  /** The next so many requests are answered 503. */
  fail(requests: number): void
  stop(): Promise<void>
}

export async function startS3Server(bucket: string): Promise<S3Server> {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Map<number, Buffer>>()
  const requests: string[] = []
  let failures = 0
  let uploadCount = 0

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readAll(request)
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
    const query = url.searchParams
    const key = url.pathname.slice(`/${bucket}/`.length)
    requests.push(`${request.method} ${key}${query.has('partNumber') ? ` part ${query.get('partNumber')}` : ''}`)
    if (failures > 0) {
      failures--
      return refuse(response, 503, 'SlowDown')
    }
    if (!(await isSigned(request, url))) return refuse(response, 403, 'SignatureDoesNotMatch')
    if (!url.pathname.startsWith(`/${bucket}/`)) return refuse(response, 404, 'NoSuchBucket')
    const uploadId = query.get('uploadId')
    const parts = uploadId === null ? undefined : uploads.get(uploadId)
    if (uploadId !== null && parts === undefined) return refuse(response, 404, 'NoSuchUpload')
    if (request.method === 'POST' && query.has('uploads')) {
      const id = `upload-${++uploadCount}`
      uploads.set(id, new Map())
      return xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    if (request.method === 'POST' && parts !== undefined && uploadId !== null) {
      const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, part]) => Number(part))
      if (named.length !== parts.size) return refuse(response, 400, 'InvalidPart')
      objects.set(key, Buffer.concat(named.map((part) => parts.get(part) ?? Buffer.alloc(0))))
      uploads.delete(uploadId)
      return xml(
        response,
        `<CompleteMultipartUploadResult><Key>${key}</Key><ETag>"x"</ETag></CompleteMultipartUploadResult>`,
      )
    }
    if (request.method === 'PUT') {
      if (parts === undefined) objects.set(key, body)
      else parts.set(Number(query.get('partNumber')), body)
      response.setHeader('etag', `"${createHash('md5').update(body).digest('hex')}"`).end()
      return
    }
    if (request.method === 'DELETE') {
      if (uploadId === null) objects.delete(key)
      else uploads.delete(uploadId)
      response.writeHead(204).end()
      return
    }
    const object = objects.get(key)
    if (object === undefined) return refuse(response, 404, 'NoSuchKey')
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (from === undefined || to === undefined) return void response.end(object)
    response.writeHead(206).end(object.subarray(Number(from), Number(to) + 1))
  }

  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    openUploads: uploads,
    requests,
    fail(count) {
      failures = count
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Signs the request again, as it came, and compares. */
async function isSigned(request: IncomingMessage, url: URL): Promise<boolean> {
  const { authorization = '' } = request.headers
  const signed = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? []
  const headers = new Headers()
  for (const name of signed) if (name !== 'host') headers.set(name, String(request.headers[name] ?? ''))
  const signer = new AwsV4Signer({
    ...credentials,
    method: request.method ?? 'GET',
    url: url.href,
    headers,
    service: 's3',
    allHeaders: true,
    region,
    datetime: String(request.headers['x-amz-date'] ?? ''),
  })
  const expected = (await signer.sign()).headers.get('authorization') ?? ''
  const signatureOf = (text: string): string | undefined => /Signature=([0-9a-f]{64})$/.exec(text)?.[1]
  return signatureOf(expected) !== undefined && signatureOf(expected) === signatureOf(authorization)
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function xml(response: ServerResponse, text: string): void {
  response.setHeader('content-type', 'application/xml').end(`<?xml version="1.0" encoding="UTF-8"?>${text}`)
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.statusCode = status
  xml(response, `<Error><Code>${code}</Code><Message>${code}</Message></Error>`)
}
