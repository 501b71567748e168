import { type EndpointDraft, readEndpoints, readHeaders, readUpstream, type Surroundings } from './endpoint.ts'
import type { ProviderFamily } from './families/index.ts'
import type { Deployment, DeploymentTimeouts, EmbeddingBatchSettings } from './inferq-config.ts'
import { acceptedLitellmParams, acceptedModelInfo } from './litellm-keys.ts'
import { asWritten, type DeploymentFacts, factKeys, readFacts } from './model-facts.ts'
import { costKeys, longCostKeys } from './pricing.ts'
import { defined, isAbsent, type Named, type Reader } from './reader.ts'
import { loadOptions, readPlain, requestParams } from './request-params.ts'
import { readNames, readTexts } from './texts.ts'
import type { Place, Tree } from './tree.ts'
import { credentialNames } from './upstream.ts'

/** A deployment as one entry of `model_list` says it: without what only the whole file can tell (id, class options). */
export interface DeploymentDraft extends DeploymentFacts, EndpointDraft {
  /** Its own name for itself. */
  readonly id: string | undefined
  readonly model: string
  readonly family: ProviderFamily
  readonly upstreamModel: string
  readonly class: string | undefined
  readonly weights: Readonly<Partial<Record<WeightKey, number>>>
  readonly defaults: Readonly<Record<string, unknown>>
  readonly timeouts: Partial<DeploymentTimeouts>
  readonly options: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly simulated: boolean
  readonly order: number | undefined
  readonly tags: readonly string[]
  readonly limits: Deployment['limits']
  readonly embeddingBatch?: EmbeddingBatchSettings
  readonly info: Readonly<Record<string, unknown>>
  readonly source: Deployment['source']
  /** Models to go to when its model fails. */
  readonly fallbacks: readonly Named[]
  readonly place: Place
}

/** What LiteLLM's simple-shuffle weighs by, in its order. */
export const weightKeys = ['weight', 'rpm', 'tpm'] as const
export type WeightKey = (typeof weightKeys)[number]

const entryRules = {
  acts: ['model_name', 'litellm_params', 'model_info', 'rpm', 'tpm', 'pricing'],
  accepted: ['blocked'],
}
const paramRules = {
  acts: [
    ...['model', 'api_key', 'api_base', 'base_url', 'custom_llm_provider', 'timeout', 'stream_timeout', 'fallbacks'],
    ...['extra_headers', 'headers', 'tags', 'order', 'max_parallel_requests', 'pricing', ...weightKeys],
    ...[...costKeys, ...longCostKeys, ...requestParams, ...loadOptions, ...credentialNames],
  ],
  accepted: acceptedLitellmParams,
}
const infoRules = {
  acts: ['id', 'class', 'simulated', 'max_batch_items', 'max_batch_tokens', ...factKeys],
  accepted: acceptedModelInfo,
  open: true,
}

/**
 * Reads one entry of `model_list`: a deployment, or one for each key that its provider's share. Empty when a fault (already
 * recorded) leaves nothing to build on.
 */
export function readDeployments(
  tree: Tree,
  reader: Reader,
  surroundings: Surroundings,
  source: 'file' | 'database',
): readonly DeploymentDraft[] {
  const entry = reader.section(tree, entryRules)
  if (entry === undefined) return []
  const model = readModelName(tree, entry.get('model_name'), reader)
  const given = entry.get('litellm_params')
  if (given === undefined || isAbsent(given)) {
    reader.fault(given ?? tree, 'no litellm_params', 'litellm_params with at least model')
  }
  const params = reader.section(entry.get('litellm_params'), paramRules)
  const info = reader.section(entry.get('model_info'), infoRules) ?? new Map<string, Tree>()
  if (params === undefined) return []

  const upstream = readUpstream(entry.get('litellm_params') ?? tree, params, reader)
  const common = readCommon(entry, params, info, reader)
  if (upstream === undefined) return []
  const facts = readFacts({ info, params, entry }, { provider: upstream.family.name, model: upstream.name }, reader)
  const endpoints = readEndpoints(params, upstream, reader, surroundings)
  const place = params.get('model')
  if (place && upstream.name.includes('*')) checkWildcard(place, upstream.name, model, reader)
  if (model === undefined || endpoints === undefined) return []
  return endpoints.map((endpoint) => {
    const written = entry.get('model_info')
    return {
      ...{ model, family: upstream.family, upstreamModel: upstream.name, source, place: tree },
      ...common,
      ...facts,
      ...endpoint,
      info: written?.kind === 'map' ? (asWritten(written) as Record<string, unknown>) : {},
    }
  })
}

function readModelName(entry: Tree, tree: Tree | undefined, reader: Reader): string | undefined {
  const name = reader.text(tree)
  // A key without a value says nothing.
  if (tree === undefined || isAbsent(tree))
    reader.fault(tree ?? entry, 'no model_name', 'model_name, the name that clients send')
  if (tree === undefined || name === undefined) return undefined
  if (name.length > 256) reader.fault(tree, `a name of ${name.length} characters`, 'at most 256')
  else if (name.split('*').length > 2) reader.fault(tree, `"${name}"`, 'at most one * in a name')
  else return name
  return undefined
}

/** What a `*` at the upstream stands for is what the `*` of the name has matched. */
function checkWildcard(place: Tree, upstreamModel: string, model: string | undefined, reader: Reader): void {
  if (upstreamModel.split('*').length > 2) reader.fault(place, `"${upstreamModel}"`, 'at most one * in a name')
  else if (model !== undefined && !model.includes('*')) {
    reader.fault(place, `"${upstreamModel}" behind the name "${model}"`, 'a * in model_name too, or none here')
  }
}

type Common = Omit<DeploymentDraft, keyof DeploymentFacts | keyof EndpointDraft | UpstreamKeys>
type UpstreamKeys = 'model' | 'family' | 'upstreamModel' | 'source' | 'place' | 'info'

function readCommon(
  entry: ReadonlyMap<string, Tree>,
  params: ReadonlyMap<string, Tree>,
  info: ReadonlyMap<string, Tree>,
  reader: Reader,
): Common {
  const timeout = reader.number(params.get('timeout'), { above: 0, max: 86_400 })
  const streamTimeout = reader.number(params.get('stream_timeout'), { above: 0, max: 86_400 })
  const weights: Partial<Record<WeightKey, number>> = {}
  for (const key of weightKeys) {
    const value = reader.number(params.get(key) ?? entry.get(key), { min: 0 })
    if (value !== undefined) weights[key] = value
  }
  const maxParallel = reader.number(params.get('max_parallel_requests'), { min: 1, integer: true })
  return {
    id: readId(info.get('id'), reader),
    class: readClass(info.get('class'), reader),
    weights,
    defaults: readPlain(params, requestParams, reader),
    timeouts: {
      ...(timeout === undefined ? {} : { totalMs: Math.ceil(timeout * 1000) }),
      ...(streamTimeout === undefined ? {} : { firstTokenMs: Math.ceil(streamTimeout * 1000) }),
    },
    options: readPlain(params, loadOptions, reader),
    headers: readHeaders(params, reader),
    simulated: reader.flag(info.get('simulated')) ?? false,
    order: reader.number(params.get('order'), { integer: true, min: 0, max: 1_000_000 }),
    tags: readTexts(params.get('tags'), reader),
    limits: {
      ...(weights.rpm === undefined ? {} : { rpm: weights.rpm }),
      ...(weights.tpm === undefined ? {} : { tpm: weights.tpm }),
      ...(maxParallel === undefined ? {} : { maxParallel }),
    },
    ...readEmbeddingBatch(info, reader),
    fallbacks: readNames(params.get('fallbacks'), reader),
  }
}

function readEmbeddingBatch(
  info: ReadonlyMap<string, Tree>,
  reader: Reader,
): { readonly embeddingBatch?: EmbeddingBatchSettings } {
  const maxItems = reader.number(info.get('max_batch_items'), { min: 1, max: 100_000, integer: true })
  const maxTokens = reader.number(info.get('max_batch_tokens'), { min: 1, max: 100_000_000, integer: true })
  const embeddingBatch = defined({ maxItems, maxTokens })
  return Object.keys(embeddingBatch).length === 0 ? {} : { embeddingBatch }
}

function readId(tree: Tree | undefined, reader: Reader): string | undefined {
  const id = reader.text(tree)
  if (tree === undefined || id === undefined || /^[\x21-\x7e]{1,300}$/.test(id)) return id
  reader.fault(tree, `"${id.slice(0, 60)}"`, 'an id: 1 to 300 printable characters without spaces')
  return undefined
}

/** A class names a queue in Redis and a label in metrics: short, printable. */
function readClass(tree: Tree | undefined, reader: Reader): string | undefined {
  const name = reader.text(tree)
  if (tree === undefined || name === undefined || isClassName(name)) return name
  reader.fault(tree, `"${name.slice(0, 60)}"`, 'a class name: 1 to 200 printable characters without spaces')
  return undefined
}

export function isClassName(name: string): boolean {
  return /^[\x21-\x7e]{1,200}$/.test(name)
}
