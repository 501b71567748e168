import { constants, openAsBlob } from 'node:fs'
import { access } from 'node:fs/promises'
import { basename } from 'node:path'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { errorMessage } from '@inferq/runtime'
import { ingressAddress, messageOf } from './ask-ingress.ts'
import { CommandError, exitCodes } from './exit-codes.ts'
import type { Variables } from './settings.ts'

/**
 * A running ingress, for commands that do more than one thing with it. Throws CommandError 5 when it cannot be reached, 3
 * without a key, 1 with what it says when it refuses.
 */
export interface IngressClient {
  /** `value` is trusted to be what the contract says. */
  get<T>(path: string): Promise<T>
  post<T>(path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<T>
  /** The file is read as it is sent. */
  upload<T>(path: string, file: string, fields: Readonly<Record<string, string>>): Promise<T>
  download(path: string): Promise<Readable>
}

const timeoutMs = 30_000
const transferTimeoutMs = 3_600_000

export function createIngressClient(options: {
  readonly url: string | undefined
  readonly key: string | undefined
  readonly variables: Variables
}): IngressClient {
  const { base, authorization } = ingressAddress(options)

  const ask = async (path: string, init: RequestInit, limitMs: number): Promise<Response> => {
    const response = await fetch(`${base}${path}`, {
      ...init,
      headers: { ...init.headers, authorization },
      signal: AbortSignal.timeout(limitMs),
      redirect: 'error',
    }).catch((thrown: unknown): never => {
      const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown
      const mend = 'name a running ingress with --url'
      throw new CommandError(exitCodes.unreachable, `${base} cannot be reached: ${errorMessage(cause)}`, mend)
    })
    if (response.ok) return response
    const text = await response.text().catch(() => '')
    throw new CommandError(exitCodes.failed, messageOf({ status: response.status, body: parse(text) }))
  }
  const json = async <T>(path: string, init: RequestInit, limitMs = timeoutMs): Promise<T> =>
    (await (await ask(path, init, limitMs)).json()) as T

  return {
    get: (path) => json(path, {}),
    post: (path, body = {}, headers = {}) =>
      json(path, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    async upload(path, file, fields) {
      const blob = await access(file, constants.R_OK)
        .then(() => openAsBlob(file))
        .catch((): never => {
          throw new CommandError(exitCodes.usage, `${file} cannot be read`)
        })
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', blob, basename(file))
      return json(path, { method: 'POST', body: form }, transferTimeoutMs)
    },
    async download(path) {
      const { body } = await ask(path, {}, transferTimeoutMs)
      return body === null ? Readable.from([]) : Readable.fromWeb(body as ReadableStream)
    },
  }
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}
