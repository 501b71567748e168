import type { ProviderFamily } from './families/index.ts'
import type { LoadBalancing } from './load-balancing.ts'
import { isAbsent, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'
import { credentialNames, endpointOf, normalBaseUrl, parseUpstreamModel, type UpstreamModel } from './upstream.ts'

/** Where values come from that an entry leaves out. */
export interface Surroundings {
  /** The first of the variables that is set. */
  variable(names: readonly string[]): string | undefined
  readonly loadBalancing: LoadBalancing
}

/** One way to reach a deployment's upstream. */
export interface EndpointDraft {
  readonly baseUrl: string
  /** A secret. */
  readonly apiKey: string | undefined
  /** Secrets. */
  readonly credentials: Readonly<Record<string, string>>
}

type KnownUpstream = Extract<UpstreamModel, { kind: 'known' }>

/** Who serves a model and what it is called there; undefined after a fault. `place`: of the parameters as a whole. */
export function readUpstream(
  place: Tree,
  params: ReadonlyMap<string, Tree>,
  reader: Reader,
): KnownUpstream | undefined {
  const tree = params.get('model')
  const model = reader.text(tree)
  if (tree === undefined || isAbsent(tree))
    reader.fault(tree ?? place, 'no model', 'model, such as ollama/llama3.1 or openai/gpt-4o')
  const customProvider = reader.text(params.get('custom_llm_provider'))
  if (tree === undefined || model === undefined) return undefined
  const upstream = parseUpstreamModel(model, customProvider)
  const expected = 'a model behind its provider, such as openai/…, anthropic/…, ollama/…, vllm/…'
  const named = `"${model.slice(0, 200)}"`
  switch (upstream.kind) {
    case 'known':
      if (upstream.name !== '') return upstream
      reader.fault(tree, named, 'a model name after the slash')
      return undefined
    case 'unsupported':
      reader.fault(tree, `${named} (provider ${upstream.provider})`, expected, 'this provider is not supported yet')
      return undefined
    case 'unknown': {
      const meant = upstream.meant === null ? undefined : `did you mean "${upstream.meant}/"?`
      reader.fault(tree, `${named} (no provider is named ${upstream.prefix})`, expected, meant)
      return undefined
    }
    case 'bare': {
      const example = upstream.meant ?? `openai/${model.slice(0, 200)}`
      reader.fault(tree, `${named}, which names no provider`, expected, `for example "${example}"`)
      return undefined
    }
    default:
      return upstream satisfies never
  }
}

/**
 * Base URL, key and credentials; LiteLLM takes what an entry leaves out from the environment, and so do we. With keys of
 * `load_balancing`, one endpoint for each of them. Undefined after a fault.
 */
export function readEndpoints(
  params: ReadonlyMap<string, Tree>,
  { family }: KnownUpstream,
  reader: Reader,
  { variable, loadBalancing }: Surroundings,
): readonly EndpointDraft[] | undefined {
  const faultsBefore = reader.faults.length
  const baseUrl = reader.url(params.get('api_base') ?? params.get('base_url'))
  const apiKey = reader.text(params.get('api_key'), { secret: true })
  const credentials = readCredentials(params, family, reader)
  if (reader.faults.length > faultsBefore) return undefined

  const shared = apiKey === undefined && isAtHome(family, baseUrl) ? loadBalancing.keysOf(family) : []
  const endpoints: EndpointDraft[] = []
  for (const key of shared.length > 0 ? shared : [apiKey]) {
    const own = {
      ...(baseUrl === undefined ? {} : { baseUrl }),
      ...(key === undefined ? {} : { apiKey: key }),
      credentials,
    }
    const endpoint = endpointOf(family, own, variable)
    if (endpoint.kind === 'endpoint') {
      endpoints.push({ baseUrl: endpoint.baseUrl, apiKey: endpoint.apiKey, credentials: endpoint.credentials })
      continue
    }
    const place = params.get('model')
    // A variable that is set wrongly has been told; that its value is missing follows from it.
    if (place && reader.faults.length === faultsBefore) reader.fault(place, endpoint.found, endpoint.expected)
    return undefined
  }
  return endpoints
}

/** A provider's keys go to where the provider lives, not to any server that speaks its dialect. */
function isAtHome(family: ProviderFamily, baseUrl: string | undefined): boolean {
  return baseUrl === undefined || family.baseUrl === undefined || normalBaseUrl(family, baseUrl) === family.baseUrl
}

function readCredentials(
  params: ReadonlyMap<string, Tree>,
  family: ProviderFamily,
  reader: Reader,
): Record<string, string> {
  const credentials: Record<string, string> = {}
  for (const name of credentialNames) {
    const tree = params.get(name)
    if (tree === undefined) continue
    if (family.credentials === undefined || !Object.hasOwn(family.credentials, name)) {
      reader.notUsed(tree, `not for ${family.name}`)
      continue
    }
    const text = reader.text(tree, { secret: true })
    if (text !== undefined) credentials[name] = text
  }
  return credentials
}

/** Headers by their lower-case names. */
export function readHeaders(params: ReadonlyMap<string, Tree>, reader: Reader): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const key of ['headers', 'extra_headers']) {
    for (const [name, value] of reader.names(params.get(key)) ?? []) {
      const text = reader.text(value, { secret: true })
      if (!/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) reader.fault(value, `the header name "${name}"`, 'a header name')
      else if (text !== undefined && /[\r\n\0]/.test(text)) reader.fault(value, 'a line break', 'a header value')
      else if (text !== undefined) headers[name.toLowerCase()] = text
    }
  }
  return headers
}
