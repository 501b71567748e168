import { InferqError } from '@inferq/contracts'

/** Ids we make; nothing else becomes a path or a key. */
const idPattern = /^[a-z0-9_-]{1,120}$/

/** Throws for an id that none of our makers gives. */
export function checkId(id: string): string {
  if (!idPattern.test(id)) throw notFound(id)
  return id
}

export function notFound(id: string): InferqError {
  return new InferqError({ code: 'file_not_found', message: `No such file: '${id.slice(0, 80)}'.` })
}

export function tooLarge(maxBytes: number): InferqError {
  const megabytes = Math.round((maxBytes / 1024 / 1024) * 10) / 10
  return new InferqError({
    code: 'payload_too_large',
    message: `A file may have at most ${megabytes} MB.`,
    param: 'file',
  })
}

export function unavailable(cause: unknown): InferqError {
  if (cause instanceof InferqError) return cause
  return new InferqError(
    { code: 'service_unavailable', message: 'The file storage does not answer.', retryAfterSeconds: 5 },
    { cause },
  )
}
