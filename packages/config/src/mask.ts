import type { InferqConfig } from './inferq-config.ts'

const mask = '***'
const secretNames = /(^|_)(api_?key|master_?key|secret|password|passwd|authorization|token|credentials?)$/i

/** The configuration as plain data that may be printed: secrets, header values and passwords in URLs are masked. */
export function maskConfig(config: InferqConfig): Record<string, unknown> {
  return maskValue(config) as Record<string, unknown>
}

function maskValue(value: unknown, name = ''): unknown {
  if (typeof value === 'string') return secretNames.test(snake(name)) ? mask : maskUrl(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((part) => maskValue(part, name))
  const entries = Object.entries(value)
  if (/headers$/i.test(name)) return Object.fromEntries(entries.map(([key]) => [key, mask]))
  return Object.fromEntries(entries.map(([key, part]) => [key, maskValue(part, key)]))
}

function snake(name: string): string {
  return name.replaceAll(/([a-z])([A-Z])/g, '$1_$2').replaceAll('-', '_')
}

/** `postgresql://user:password@host` without the password. */
function maskUrl(text: string): string {
  return text.replaceAll(/([a-z][a-z0-9+.-]*:\/\/[^\s/@:]*):[^\s@]*@/gi, `$1:${mask}@`)
}
