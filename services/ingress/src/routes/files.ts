import multipart from '@fastify/multipart'
import {
  type FileObject,
  InferqError,
  type ListFilesQuery,
  ListFilesQuery as ListFilesQuerySchema,
  toEnvelope,
} from '@inferq/contracts'
import type { StoredFile } from '@inferq/store'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { parseRange } from '../byte-range.ts'
import type { IngressCore } from '../dependencies.ts'
import { pageOf, viewOfFile } from '../file-view.ts'
import { fileDocs } from '../openapi/file-docs.ts'
import { identityOf } from '../plugins/auth.ts'
import { takeUpload } from '../upload.ts'

/** `/v1/files`: OpenAI's Files, with and without `/v1`. In a scope that needs a key; forms are read here and nowhere else. */
export function registerFileRoutes(app: FastifyInstance, core: IngressCore): void {
  app.register(async (scope) => {
    await scope.register(multipart)
    for (const prefix of ['/v1', '']) {
      const hide = prefix === ''
      // The form is checked while it is read; its schema is for readers.
      const upload = { schema: { ...fileDocs.upload, hide }, validatorCompiler: () => () => true }
      scope.post(`${prefix}/files`, upload, (request) => postFile(core, request))
      const list = { ...fileDocs.list, querystring: ListFilesQuerySchema, hide }
      scope.get(`${prefix}/files`, { schema: list }, (request) => listFiles(core, request))
      scope.get(`${prefix}/files/:id`, { schema: { ...fileDocs.get, hide } }, async (request) =>
        viewOfFile(await findFile(core, request)),
      )
      scope.delete(`${prefix}/files/:id`, { schema: { ...fileDocs.delete, hide } }, (request) =>
        deleteFile(core, request),
      )
      scope.get(`${prefix}/files/:id/content`, { schema: { ...fileDocs.content, hide } }, (request, reply) =>
        getContent(core, request, reply),
      )
    }
  })
}

async function postFile(core: IngressCore, request: FastifyRequest): Promise<FileObject> {
  if (!request.isMultipart()) {
    throw new InferqError({
      code: 'unsupported_media_type',
      message: 'Unsupported content type: send a form (`multipart/form-data`).',
    })
  }
  return viewOfFile(await takeUpload(core, request, identityOf(request).owner))
}

async function listFiles(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { limit = 10_000, order = 'desc', ...filters } = request.query as ListFilesQuery
  const { files, hasMore } = await core.store.listFiles(identityOf(request).owner, { limit, order, ...filters })
  return pageOf(files.map(viewOfFile), hasMore)
}

async function deleteFile(core: IngressCore, request: FastifyRequest): Promise<object> {
  const { id } = request.params as { id: string }
  const outcome = await core.store.deleteFile(id, identityOf(request).owner)
  switch (outcome) {
    case 'unknown':
      throw fileNotFound(id)
    case 'in_use':
      throw new InferqError({
        code: 'conflict',
        message: `The file '${id}' is being read for a batch; delete it in a moment.`,
      })
    case 'deleted': {
      // Where it fails, the bytes are swept away later.
      const removed = core.files.remove(id).then(() => core.store.forgetFiles([id]))
      core.background.run('remove-file', removed)
      return { id, object: 'file', deleted: true }
    }
    default:
      return outcome satisfies never
  }
}

async function getContent(core: IngressCore, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const file = await findFile(core, request)
  const range = parseRange(request.headers.range, file.bytes)
  // Never shown by a browser: what it is came from a client.
  reply
    .type('application/octet-stream')
    .header('x-content-type-options', 'nosniff')
    .header('content-disposition', `attachment; filename*=UTF-8''${encodeName(file.filename)}`)
    .header('accept-ranges', 'bytes')
  switch (range.kind) {
    case 'whole':
      return reply.header('content-length', file.bytes).send(await core.files.open(file.id))
    case 'part': {
      const { start, end } = range
      reply.code(206).header('content-range', `bytes ${start}-${end}/${file.bytes}`)
      return reply.header('content-length', end - start + 1).send(await core.files.open(file.id, { start, end }))
    }
    case 'unsatisfiable': {
      const message = `The range does not lie within the ${file.bytes} bytes of the file.`
      reply.code(416).type('application/json; charset=utf-8').removeHeader('content-disposition')
      reply.header('content-range', `bytes */${file.bytes}`)
      return reply.send(JSON.stringify(toEnvelope({ code: 'invalid_value', message, param: 'Range' })))
    }
    default:
      return range satisfies never
  }
}

async function findFile(core: IngressCore, request: FastifyRequest): Promise<StoredFile> {
  const { id } = request.params as { id: string }
  const file = await core.store.getFile(id, identityOf(request).owner)
  if (file === null) throw fileNotFound(id)
  return file
}

export function fileNotFound(id: string, param?: string): InferqError {
  const message = `No such file: '${id.slice(0, 80)}'.`
  return new InferqError({ code: 'file_not_found', message, ...(param === undefined ? {} : { param }) })
}

/** RFC 8187 */
function encodeName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
}
