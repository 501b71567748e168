import { createHash } from 'node:crypto'
import type { InferqConfig } from './inferq-config.ts'

/** What does not decide how requests are served: what was found wrong or without effect, and where things stand. */
const apart = new Set(['unused', 'overlayFaults', 'fingerprint', 'place'])

/** SHA-256 in hex over all that decides serving; the order of keys does not count, that of lists does. */
export function fingerprintOf(config: Omit<InferqConfig, 'fingerprint'>): string {
  return createHash('sha256').update(stable(config)).digest('hex')
}

function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const entries = Object.entries(value)
    .filter(([key, part]) => part !== undefined && !apart.has(key))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${stable(part)}`).join(',')}}`
}
