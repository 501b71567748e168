import type { RequestRecord } from './stats.ts'

/** One request while it is answered. Headers stay raw until somebody looks. */
export interface LoggedRequest {
  readonly at: number
  readonly method: string
  readonly path: string
  readonly rawHeaders: readonly string[]
  model: string | null
  stream: boolean
  status: number
  body?: string
}

const secretHeaders = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-amz-security-token',
  'cookie',
])

/** The last `limit` requests, oldest first. */
export class RequestLog {
  readonly #limit: number
  readonly #entries: LoggedRequest[] = []
  #oldest = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  add(entry: LoggedRequest): void {
    if (this.#limit === 0) return
    if (this.#entries.length < this.#limit) {
      this.#entries.push(entry)
      return
    }
    this.#entries[this.#oldest] = entry
    this.#oldest = (this.#oldest + 1) % this.#limit
  }

  clear(): void {
    this.#entries.length = 0
    this.#oldest = 0
  }

  records(): RequestRecord[] {
    const inOrder = [...this.#entries.slice(this.#oldest), ...this.#entries.slice(0, this.#oldest)]
    return inOrder.map(({ rawHeaders, ...rest }) => ({ ...rest, headers: readHeaders(rawHeaders) }))
  }
}

function readHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] as string).toLowerCase()
    const value = raw[index + 1] as string
    headers[name] = secretHeaders.has(name) ? mask(value) : value
  }
  return headers
}

function mask(value: string): string {
  const scheme = /^(\w+) /.exec(value)?.[0] ?? ''
  const secret = value.slice(scheme.length)
  return `${scheme}***${secret.length >= 12 ? secret.slice(-4) : ''}`
}
