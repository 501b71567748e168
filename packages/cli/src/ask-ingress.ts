import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { errorMessage, readEnvironment } from '@inferq/runtime'
import { readDevKey } from './dev-key.ts'
import { CommandError, exitCodes } from './exit-codes.ts'
import { readSettings, type Variables } from './settings.ts'

export interface IngressAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}

const timeoutMs = 30_000
const maxMessage = 10_000

/**
 * One POST to a running ingress, with the master key of the environment or the development key of the data directory.
 * Throws CommandError 5 when it cannot be reached, 3 without a key, 1 when the answer is no JSON object.
 */
export async function askIngress(
  path: string,
  options: {
    readonly url: string | undefined
    readonly variables: Variables
    readonly body?: unknown
    readonly headers?: Readonly<Record<string, string>>
  },
): Promise<IngressAnswer> {
  const { body = {}, headers = {} } = options
  const { base, authorization } = ingressAddress(options)
  try {
    const response = await fetch(`${base}${path}`, {
      method: 'POST',
      headers: { ...headers, authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
      redirect: 'error',
    })
    const text = await response.text()
    return { status: response.status, body: parseObject(text, base) }
  } catch (thrown) {
    if (thrown instanceof CommandError) throw thrown
    const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown
    const mend = 'name a running ingress with --url'
    throw new CommandError(exitCodes.unreachable, `${base} cannot be reached: ${errorMessage(cause)}`, mend)
  }
}

/** Where an ingress is and how to be let in. `key`: instead of that of the environment. Throws CommandError 3 without one. */
export function ingressAddress(options: {
  readonly url: string | undefined
  readonly key?: string | undefined
  readonly variables: Variables
}): { readonly base: string; readonly authorization: string } {
  const { host, port } = readSettings(options.variables)
  return {
    base: (options.url ?? `http://${host}:${port}`).replace(/\/+$/, ''),
    authorization: `Bearer ${options.key ?? findKey(options.variables)}`,
  }
}

/** The error that an answer carries, for a person. */
export function messageOf({ status, body }: Pick<IngressAnswer, 'status' | 'body'>): string {
  const { error } = body
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : undefined
  return typeof message === 'string' ? message.slice(0, maxMessage) : `it answers ${status}`
}

function parseObject(text: string, base: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // As below.
  }
  throw new CommandError(
    exitCodes.failed,
    `${base} does not answer as inferq does`,
    'name a running ingress with --url',
  )
}

function findKey(variables: Variables): string {
  const environment = readEnvironment(variables)
  const own = environment.get('INFERQ_MASTER_KEY') ?? environment.get('LITELLM_MASTER_KEY')
  if (own !== undefined) return own
  const dataDir = resolve(readSettings(variables).dataDir)
  if (existsSync(join(dataDir, 'key'))) return readDevKey(dataDir)
  throw new CommandError(exitCodes.configInvalid, 'there is no key to ask with', 'set INFERQ_MASTER_KEY')
}
