import { InferqError } from '@inferq/contracts'
import type { EmbeddingOutcome, Provider } from '@inferq/providers'
import type { Part } from './member.ts'
import { splitOutcome } from './outcomes.ts'

export interface CallPartsOptions {
  readonly provider: Pick<Provider, 'embed'>
  /** What all parts' requests say beside their inputs. */
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Makes one upstream call of some parts, of as many jobs, and gives each its own. When the upstream refuses it for what may
 * be the fault of one, the halves are called, until those at fault are alone with their error: at most 2·log2(parts) calls
 * more for each. Any other failure is that of all. Never rejects.
 */
export async function callParts(options: CallPartsOptions, parts: readonly Part[]): Promise<void> {
  const waiting = parts.filter(({ isGone }) => !isGone)
  if (waiting.length === 0) return
  try {
    const outcomes = await callOnce(options, waiting)
    for (const [place, part] of waiting.entries()) {
      const outcome = outcomes[place]
      if (outcome !== undefined) part.succeed(outcome)
    }
  } catch (thrown) {
    if (waiting.length === 1 || !mayBeOnesFault(thrown, options.fields)) {
      const error = waiting.length === 1 ? thrown : withoutWordsOfOthers(thrown)
      for (const part of waiting) part.fail(error)
      return
    }
    const left = waiting.filter(({ isGone }) => !isGone)
    const middle = Math.ceil(left.length / 2)
    await Promise.all([callParts(options, left.slice(0, middle)), callParts(options, left.slice(middle))])
  }
}

async function callOnce(
  { provider, fields }: CallPartsOptions,
  parts: readonly Part[],
): Promise<readonly EmbeddingOutcome[]> {
  const [first] = parts
  if (first === undefined) return []
  const { signal, release } = untilAllGone(parts)
  try {
    const isOwnCall = parts.length === 1 && first.isWhole
    const request = isOwnCall ? first.call.request : { ...fields, input: parts.flatMap(({ inputs }) => inputs) }
    const outcome = await provider.embed({ ...first.call, request, signal })
    return isOwnCall ? [outcome] : splitOutcome(outcome, parts)
  } finally {
    release()
  }
}

/** One that goes does not end the call; the last one does. */
function untilAllGone(parts: readonly Part[]): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  let left = parts.length
  const forget = parts.map((part) =>
    part.whenGone(() => {
      left -= 1
      if (left === 0) controller.abort(new Error('nobody waits for these embeddings any more'))
    }),
  )
  return {
    signal: controller.signal,
    release: () => {
      for (const one of forget) one()
    },
  }
}

const onesFault: ReadonlySet<string> = new Set([
  ...['upstream_invalid_request', 'context_length_exceeded', 'content_filter'],
  // Together they may be too much to take.
  'output_too_large',
])

/** A refusal that names a field that all share is that of all. */
function mayBeOnesFault(thrown: unknown, fields: Readonly<Record<string, unknown>>): boolean {
  if (!(thrown instanceof InferqError) || !onesFault.has(thrown.code)) return false
  const field = /^\w+/.exec(thrown.detail.param ?? '')?.[0]
  return field === undefined || !(field === 'model' || field in fields)
}

/** What a failing server says may quote somebody's input. One error for all: it is one failure of the deployment. */
function withoutWordsOfOthers(thrown: unknown): unknown {
  if (!(thrown instanceof InferqError) || thrown.code !== 'upstream_error') return thrown
  const message = 'The upstream failed on a call for several requests.'
  return new InferqError({ ...thrown.detail, message }, { cause: thrown })
}
