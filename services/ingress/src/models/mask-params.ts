export const mask = '***'

/** Texts that say nothing secret. All others are masked: a new provider's secret has a name that nobody here knows. */
const shown = new Set([
  ...['model', 'custom_llm_provider', 'api_base', 'base_url', 'api_version', 'region_name', 'aws_region_name'],
  ...['vertex_location', 'vertex_project', 'azure_ad_tenant_id', 'input_cost_per_token', 'output_cost_per_token'],
  ...[
    'reasoning_effort',
    'service_tier',
    'verbosity',
    'encoding_format',
    'keep_alive',
    'format',
    'tool_choice',
    'tags',
  ],
])

/** `litellm_params` as anyone with the right to ask may see them. A reference to the environment is no secret. */
export function maskParams(params: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, maskValue(value, shown.has(name))]))
}

function maskValue(value: unknown, isShown: boolean): unknown {
  if (typeof value === 'string') {
    if (/^os\.environ\/\w+$/.test(value)) return value
    return isShown ? withoutPassword(value) : mask
  }
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((part) => maskValue(part, isShown))
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, maskValue(part, isShown)]))
}

/** A URL may hold a name and a password, and keys in its query. */
function withoutPassword(text: string): string {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || !URL.canParse(text)) return text
  const url = new URL(text)
  if (url.username === '' && url.password === '' && url.search === '') return text
  url.username = url.username === '' ? '' : mask
  url.password = ''
  for (const name of [...url.searchParams.keys()]) url.searchParams.set(name, mask)
  return url.href
}
