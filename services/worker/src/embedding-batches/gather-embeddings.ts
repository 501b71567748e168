import type { EmbeddingCaps } from '@inferq/config'
import type { Provider } from '@inferq/providers'
import { readEmbedCall } from './embed-call.ts'
import { createLine, type GatherTimes, type Line, type Traffic } from './line.ts'
import { createMember } from './member.ts'

export interface GatherOptions {
  readonly caps: EmbeddingCaps
  /** Fields of the request that change nothing of the answer: calls that differ in them may go together, without them. */
  readonly ignoredFields?: readonly string[]
  readonly times?: GatherTimes
}

/**
 * The same provider, with calls for embeddings that come at about the same time made as one, within the caps; one that is over
 * them is made as several. Each is answered, refused and stopped as if it had been alone, but: a failure of the upstream is
 * one error (the same object) of all calls it met, and the usage of a shared call is split by estimate. A call that meets
 * nobody goes as it came.
 */
export function gatherEmbeddings(provider: Provider, options: GatherOptions): Provider {
  const { caps, ignoredFields = [], times = { lingerMs: 5, holdMs: 100 } } = options
  const lines = new Map<string, Line>()
  const traffic: Traffic = { gatheredAt: Number.NEGATIVE_INFINITY }

  const lineOf = (key: string, fields: Readonly<Record<string, unknown>>): Line => {
    const known = lines.get(key)
    if (known !== undefined) return known
    const line = createLine({ provider, fields, caps, times, traffic, onIdle: () => void lines.delete(key) })
    lines.set(key, line)
    return line
  }

  return {
    ...provider,
    async embed(call) {
      call.signal.throwIfAborted()
      const asked = readEmbedCall(call, caps, ignoredFields)
      if (asked === null) return provider.embed(call)
      const member = createMember(call, asked.pieces)
      lineOf(asked.key, asked.fields).add(member.parts)
      return member.outcome
    },
    async close() {
      const closed = provider.close()
      // They are told that it is closed.
      for (const line of lines.values()) line.flush()
      await closed
    },
  }
}
