import type { InferqConfig } from './inferq-config.ts'

const mask = '***'
/** Keys whose values nobody prints. */
export const secretName =
  /(^|_)(api_?keys?|(master|access|private|salt)_?key|access_?key_id|secret\w*|\w*secret|password|passwd|authorization|(?<!per_)token|credentials?)$/i

/**
 * The configuration as plain data that may be printed: keys, credentials, header values, passwords in URLs and whatever is
 * named like a secret are masked.
 */
export function maskConfig(config: InferqConfig): Record<string, unknown> {
  return maskValue(config) as Record<string, unknown>
}

function maskValue(value: unknown, name = ''): unknown {
  if (typeof value === 'string') return secretName.test(snake(name)) ? mask : maskUrl(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((part) => maskValue(part, name))
  const entries = Object.entries(value)
  if (/(headers|credentials)$/i.test(name)) return Object.fromEntries(entries.map(([key]) => [key, mask]))
  return Object.fromEntries(entries.map(([key, part]) => [key, maskValue(part, key)]))
}

function snake(name: string): string {
  return name.replaceAll(/([a-z])([A-Z])/g, '$1_$2').replaceAll('-', '_')
}

/** `postgresql://user:password@host` without the password; of a web address all before the host, which may be a token. */
function maskUrl(text: string): string {
  return text
    .replaceAll(/(https?:\/\/)[^\s/@]*@/gi, `$1${mask}@`)
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s/@:]*):[^\s@]*@/gi, `$1:${mask}@`)
}
