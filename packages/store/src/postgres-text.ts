/**
 * PostgreSQL's text and jsonb take every string but NUL (U+0000), and only well-formed Unicode. Outputs of models and
 * metadata of clients may hold both; they are replaced by U+FFFD there. The json type keeps them, as escapes.
 * https://www.postgresql.org/docs/current/datatype-json.html
 */
export function cleanText(text: string): string {
  const clean = text.isWellFormed() ? text : text.toWellFormed()
  return clean.includes('\0') ? clean.replaceAll('\0', '\ufffd') : clean
}

/** As cleanText, for an optional value. */
export function cleanTextOrNull(text: string | undefined): string | null {
  return text === undefined ? null : cleanText(text)
}

/** JSON text for a json column: as JSON.stringify makes it. */
export function jsonText(value: unknown): string | null {
  return value === undefined ? null : (JSON.stringify(value) ?? null)
}

/** JSON text for a jsonb column: without what jsonb refuses. */
export function jsonbText(value: unknown): string | null {
  if (value === undefined) return null
  const text = JSON.stringify(value)
  // JSON.stringify writes NUL and lone surrogates as these escapes, in lower case; a literal backslash may look like
  // one, which costs only the slower way.
  return /\\u(0000|d[89a-f])/.test(text) ? JSON.stringify(value, replaceStrings) : text
}

function replaceStrings(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [cleanText(key), item]))
}
