import type { MultipartFile } from '@fastify/multipart'
import { type ErrorDetail, InferqError, uploadPurposes } from '@inferq/contracts'
import type { StoredFile } from '@inferq/store'
import type { FastifyRequest } from 'fastify'
import { expiryOf } from './batches/expiry.ts'
import { createFileId } from './batches/ids.ts'
import type { IngressCore } from './dependencies.ts'

const maxFilenameLength = 255
const maxFieldBytes = 1_024

/**
 * Takes a file from a form: its bytes go to the storage as they come, and none of them stays when the form turns out to be
 * bad, is too large, or its client goes away. Fields may come before or after the file.
 * Throws `payload_too_large`, `missing_required_parameter`, `invalid_value`, `unknown_parameter`.
 */
export async function takeUpload(core: IngressCore, request: FastifyRequest, owner: string): Promise<StoredFile> {
  const { store, files, clock } = core
  const { maxFileBytes, ttlSeconds } = core.config().files
  const id = createFileId()
  const createdAt = clock.now()
  await store.insertFile({ id, owner, createdAt })
  try {
    const form = await readForm(request, maxFileBytes, (source) => files.put(id, source, { maxBytes: maxFileBytes }))
    const { bytes, filename } = form
    const purpose = checkPurpose(form.fields.get('purpose'))
    const expiresAfterSeconds = checkExpiry(form.fields)
    const expiresAt = expiryOf({ purpose, createdAt, expiresAfterSeconds }, ttlSeconds)
    const file = { id, purpose, filename, bytes, expiresAt }
    if (await store.completeFile(file)) return { ...file, owner, createdAt }
    throw new InferqError({ code: 'service_unavailable', message: 'The file could not be kept.' })
  } catch (thrown) {
    // What fails here too is swept away later: nobody sees the file.
    core.background.run(
      'discard-upload',
      files.remove(id).then(() => store.forgetFiles([id])),
    )
    throw thrown
  }
}

interface Form {
  readonly filename: string
  readonly bytes: number
  readonly fields: ReadonlyMap<string, string>
}

const knownFields = ['purpose', 'expires_after[anchor]', 'expires_after[seconds]']

async function readForm(
  request: FastifyRequest,
  maxFileBytes: number,
  keep: (source: MultipartFile['file']) => Promise<{ readonly bytes: number }>,
): Promise<Form> {
  const fields = new Map<string, string>()
  let file: { readonly filename: string; readonly bytes: number } | undefined
  const limits = {
    files: 1,
    fields: 10,
    parts: 11,
    headerPairs: 20,
    fieldSize: maxFieldBytes,
    fileSize: maxFileBytes + 1,
  }
  try {
    for await (const part of request.parts({ limits })) {
      if (part.type === 'file') {
        if (part.fieldname !== 'file') {
          part.file.resume()
          throw new InferqError(unknownField(part.fieldname))
        }
        checkFieldsSoFar(fields)
        const { bytes } = await keep(part.file)
        file = { filename: part.filename.slice(0, maxFilenameLength) || 'upload', bytes }
      } else {
        if (part.fieldname === 'file') throw new InferqError(notAFile)
        if (!knownFields.includes(part.fieldname)) throw new InferqError(unknownField(part.fieldname))
        fields.set(part.fieldname, String(part.value))
      }
    }
  } catch (thrown) {
    // The client may still be sending: let it come to its end, and hear the answer.
    request.raw.resume()
    throw thrown instanceof InferqError ? thrown : unreadable(thrown)
  }
  if (file === undefined) throw new InferqError(missing('file'))
  return { ...file, fields }
}

/** A purpose that is named before the file is no reason to store it first. */
function checkFieldsSoFar(fields: ReadonlyMap<string, string>): void {
  const purpose = fields.get('purpose')
  if (purpose !== undefined) checkPurpose(purpose)
}

function checkPurpose(purpose: string | undefined): string {
  if (purpose === undefined) throw new InferqError(missing('purpose'))
  if (uploadPurposes.some((known) => known === purpose)) return purpose
  const allowed = uploadPurposes.map((known) => `'${known}'`).join(', ')
  const message = `Invalid value for 'purpose': must be one of ${allowed}.`
  throw new InferqError({ code: 'invalid_value', message, param: 'purpose' })
}

function checkExpiry(fields: ReadonlyMap<string, string>): number | null {
  const anchor = fields.get('expires_after[anchor]')
  const seconds = fields.get('expires_after[seconds]')
  if (anchor === undefined && seconds === undefined) return null
  if (anchor !== 'created_at') {
    const message = "Invalid value for 'expires_after.anchor': must be 'created_at'."
    throw new InferqError({ code: 'invalid_value', message, param: 'expires_after.anchor' })
  }
  const number = /^\d{1,9}$/.test(seconds ?? '') ? Number(seconds) : Number.NaN
  if (number >= 3_600 && number <= 2_592_000) return number
  const message = "Invalid value for 'expires_after.seconds': must be a whole number from 3600 to 2592000."
  throw new InferqError({ code: 'invalid_value', message, param: 'expires_after.seconds' })
}

const notAFile: ErrorDetail = {
  code: 'invalid_value',
  message: "Invalid value for 'file': must be a file, with a filename.",
  param: 'file',
}

function missing(param: string): ErrorDetail {
  return { code: 'missing_required_parameter', message: `Missing required parameter: '${param}'.`, param }
}

function unknownField(name: string): ErrorDetail {
  const param = name.slice(0, 80)
  return { code: 'unknown_parameter', message: `Unknown parameter: '${param}'.`, param }
}

/** What the parser of forms, or the connection, had to say. */
function unreadable(cause: unknown): InferqError {
  return new InferqError({ code: 'invalid_value', message: 'The form could not be read to its end.' }, { cause })
}
