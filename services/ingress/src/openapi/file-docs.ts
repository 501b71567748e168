import { FileDeleted, FileList, FileObject, uploadPurposes } from '@inferq/contracts'
import { Type } from 'typebox'
import { described, failure, failures } from './responses.ts'

const tags = ['OpenAI']
const params = Type.Object({ id: Type.String({ examples: ['file-01m8k3v7w2q9r4t6y8z0a1b2c3'] }) })
const ofFile = {
  401: failures.forList[401],
  404: failure('file_not_found', "No such file: 'file-…'."),
  503: failures.forList[503],
}

const UploadForm = Type.Object({
  file: Type.String({ format: 'binary', description: 'As large as the configuration allows: 512 MB.' }),
  purpose: Type.Enum([...uploadPurposes]),
  'expires_after[anchor]': Type.Optional(Type.Enum(['created_at'])),
  'expires_after[seconds]': Type.Optional(Type.Integer({ minimum: 3_600, maximum: 2_592_000 })),
})

/** Documentation of the routes of files, and what is checked of their paths. */
export const fileDocs = {
  upload: {
    operationId: 'createFile',
    summary: 'Upload a file',
    description: 'The file goes to the storage as it comes. Inputs of batches are kept for 30 days, others for ever.',
    tags,
    consumes: ['multipart/form-data'],
    body: UploadForm,
    response: {
      200: described(FileObject, 'The file.'),
      ...failures.forList,
      413: failure('payload_too_large', 'A file may have at most 512 MB.', 'file'),
      415: failure('unsupported_media_type', 'Unsupported content type: send a form (`multipart/form-data`).'),
    },
  },
  list: {
    operationId: 'listFiles',
    summary: 'Your files',
    tags,
    response: { 200: described(FileList, 'A page of files.'), ...failures.forList },
  },
  get: {
    operationId: 'getFile',
    summary: 'A file',
    tags,
    params,
    response: { 200: described(FileObject, 'The file.'), ...ofFile },
  },
  delete: {
    operationId: 'deleteFile',
    summary: 'Delete a file',
    tags,
    params,
    response: {
      200: described(FileDeleted, 'It is gone.'),
      ...ofFile,
      409: failure('conflict', 'The file is being read for a batch; delete it in a moment.'),
    },
  },
  content: {
    operationId: 'getFileContent',
    summary: 'The bytes of a file',
    description: 'One `Range` is honoured.',
    tags,
    params,
    response: {
      200: {
        description: 'All of it.',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      206: {
        description: 'The range that was asked for.',
        content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
      },
      ...ofFile,
      416: failure('invalid_value', 'The range does not lie within the bytes of the file.', 'Range'),
    },
  },
} as const
