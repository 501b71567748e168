/** One thing a client may get wrong, and what it has to be told. */
export interface BadRow {
  readonly what: string
  /** With the query. */
  readonly path: string
  readonly method?: string
  readonly json?: unknown
  /** Instead of `json`. */
  readonly text?: string | Uint8Array<ArrayBuffer>
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  /** The field that the answer names. */
  readonly param: string | null
  readonly code: string
}

/** A row for a field of a body (`path` and what goes before are given once), refused with 400. */
export type FieldRow = readonly [what: string, value: object, param: string, code?: string]

export const absent = 'missing_required_parameter'
export const unknown = 'unknown_parameter'
export const unsupported = 'unsupported_parameter'

/** Rows that differ from a good body by one field each. */
export function fieldRows(path: string, good: object, rows: readonly FieldRow[]): readonly BadRow[] {
  return rows.map(([what, change, param, code = 'invalid_value']) => ({
    what: `${what} (${path})`,
    path,
    json: { ...good, ...change },
    status: 400,
    param,
    code,
  }))
}

/** Nested `depth` times: `[[[…]]]`. */
export function deepJson(depth: number): string {
  return '['.repeat(depth) + ']'.repeat(depth)
}

export function manyEntries(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']))
}
