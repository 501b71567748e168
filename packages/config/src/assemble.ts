import { type DeploymentDraft, weightKeys } from './deployment.ts'
import { fingerprintOf } from './fingerprint.ts'
import type { ClassConfig, Deployment, InferqConfig, ModelEntry, RoutingConfig } from './inferq-config.ts'
import { defined } from './reader.ts'
import type { Settings } from './settings.ts'

const defaultTimeouts = {
  connectMs: 5_000,
  // A local backend may load the model first, and a hosted one may think first.
  firstTokenMs: 120_000,
  idleMs: 60_000,
  // OpenAI's clients give up after ten minutes: https://github.com/openai/openai-python#timeouts
  totalMs: 600_000,
} as const

const day = 86_400

const defaultBreaker: InferqConfig['breaker'] = {
  allowedFails: 3,
  cooldownSeconds: 60,
  failureRate: 0.5,
  minCalls: 20,
  windowSeconds: 60,
  enabled: true,
}

const defaultMaxQueue = 10_000

/** LiteLLM's interval. */
const defaultHealthChecks: InferqConfig['healthChecks'] = {
  background: false,
  intervalSeconds: 300,
  timeoutSeconds: 10,
}

interface Parts {
  readonly routing: RoutingConfig
  /** Of the environment. */
  readonly masterKey: string | undefined
  readonly overlayFaults: InferqConfig['overlayFaults']
  readonly unused: readonly string[]
}

/** Puts the parts together: ids, classes, weights, defaults. Every fault has been found before. */
export function assemble(drafts: readonly DeploymentDraft[], settings: Settings, parts: Parts): InferqConfig {
  const classNames = drafts.map(classOf)
  const classes = assembleClasses(drafts, classNames, settings)
  const ids = uniqueIds(drafts)
  const deployments = drafts.map((draft, index): Deployment => {
    const className = classNames[index] ?? draft.model
    return assembleDeployment(draft, ids[index] ?? draft.model, className, classes[className], settings)
  })
  const models = groupByModel(drafts, deployments)
  const masterKey = settings.masterKey ?? parts.masterKey
  const defaultModel = settings.defaultModel?.name ?? models.find(isNamedChat)?.name
  const config = {
    deployments: models.flatMap((model) => model.deployments),
    models,
    classes,
    workers: {
      lockSeconds: 6,
      stalledSeconds: 2,
      maxAttempts: 3,
      drainSeconds: 60,
      affinityMs: 100,
      ...settings.workers,
    },
    retention: retentionOf(settings.retention),
    limits: { bodyBytes: settings.bodyBytes ?? 10 * 1024 * 1024 },
    files: { storage: { kind: 'local' as const }, maxFileBytes: 512 * 1024 * 1024, ...settings.files },
    routing: parts.routing,
    breaker: { ...defaultBreaker, ...settings.breaker },
    retries: settings.retries,
    healthChecks: { ...defaultHealthChecks, ...settings.healthChecks },
    webhooks: { allowPrivate: false, ports: [], timeoutSeconds: 15, maxAttempts: 8, ...settings.webhooks },
    shares: { defaultWeight: 1, tenantWeights: {}, ...settings.shares },
    ...(defaultModel === undefined ? {} : { defaultModel }),
    ...(masterKey === undefined ? {} : { masterKey }),
    ...(settings.databaseUrl === undefined ? {} : { databaseUrl: settings.databaseUrl }),
    overlayFaults: parts.overlayFaults,
    unused: parts.unused,
  }
  return { ...config, fingerprint: fingerprintOf(config) }
}

/** A job that gave no result can be run again as long as it is kept, unless the file says otherwise. */
function retentionOf(set: Partial<InferqConfig['retention']>): InferqConfig['retention'] {
  const { resultSeconds = 7 * day, promptSeconds = resultSeconds, spendSeconds = 400 * day } = set
  return { resultSeconds, promptSeconds, spendSeconds }
}

function assembleDeployment(
  draft: DeploymentDraft,
  id: string,
  className: string,
  classConfig: ClassConfig | undefined,
  settings: Settings,
): Deployment {
  return {
    id,
    model: draft.model,
    provider: draft.family.name,
    wire: draft.family.wire,
    upstreamModel: draft.upstreamModel,
    baseUrl: draft.baseUrl,
    ...(draft.apiKey === undefined ? {} : { apiKey: draft.apiKey }),
    credentials: draft.credentials,
    class: className,
    ...(draft.mode === undefined ? {} : { mode: draft.mode }),
    weight: 1,
    defaults: draft.defaults,
    timeouts: assembleTimeouts(draft, settings),
    ...(draft.contextWindow === undefined ? {} : { contextWindow: draft.contextWindow }),
    options: loadOptionsOf(draft, classConfig),
    headers: draft.headers,
    simulated: draft.simulated,
    ...(draft.order === undefined ? {} : { order: draft.order }),
    tags: draft.tags,
    limits: draft.limits,
    ...(draft.embeddingBatch === undefined ? {} : { embeddingBatch: draft.embeddingBatch }),
    ...(draft.price === undefined ? {} : { price: draft.price }),
    ...(draft.maxOutputTokens === undefined ? {} : { maxOutputTokens: draft.maxOutputTokens }),
    capabilities: draft.capabilities,
    info: draft.info,
    source: draft.source,
  }
}

/** A model whose loading costs something is to stay; Ollama's own time is 5 minutes. */
const costlyKeepAlive = '30m'

/** Those of the class win. */
function loadOptionsOf(draft: DeploymentDraft, classConfig: ClassConfig | undefined): Deployment['options'] {
  const isCostly = draft.family.wire === 'ollama' && (classConfig?.swapCostSeconds ?? 0) > 0
  return { ...(isCostly ? { keep_alive: costlyKeepAlive } : {}), ...draft.options, ...classConfig?.options }
}

/** A local model has its own class, for a swap costs seconds; all of a cloud provider is one. */
export function classOf(draft: Pick<DeploymentDraft, 'class' | 'simulated' | 'family' | 'model'>): string {
  if (draft.class !== undefined) return draft.class
  if (draft.simulated) return 'simulated'
  return draft.family.isLocal ? draft.model.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, 200) : draft.family.name
}

/** What a request without a model gets has to be a model, not a pattern. */
function isNamedChat(model: ModelEntry): boolean {
  return model.mode !== 'embedding' && !model.name.includes('*')
}

/**
 * Over one worker process. Ollama answers few at a time and queues the rest where nobody sees it. Embeddings are gathered
 * over the jobs that run: as many as fill a few calls.
 */
function usualConcurrency({ simulated, mode, family }: DeploymentDraft): number {
  if (simulated) return 64
  const isOllama = family.wire === 'ollama'
  if (mode === 'embedding') return isOllama ? 64 : 256
  return isOllama ? 4 : 64
}

function assembleClasses(
  drafts: readonly DeploymentDraft[],
  classNames: readonly string[],
  settings: Settings,
): Record<string, ClassConfig> {
  const classes: Record<string, ClassConfig> = {}
  drafts.forEach((draft, index) => {
    const name = classNames[index] ?? draft.model
    const own = settings.classes.get(name)?.settings
    const usual = usualConcurrency(draft)
    const concurrency = own?.concurrency ?? Math.min(usual, classes[name]?.concurrency ?? usual)
    classes[name] = {
      ...{ concurrency, maxQueue: own?.maxQueue ?? defaultMaxQueue, options: own?.options ?? {} },
      ...defined({ swapCostSeconds: own?.swapCostSeconds }),
    }
  })
  return classes
}

/** A stream that may take a minute in all has no use for two until its first token. */
function assembleTimeouts(draft: DeploymentDraft, settings: Settings): Deployment['timeouts'] {
  const totalMs = draft.timeouts.totalMs ?? settings.totalMs ?? defaultTimeouts.totalMs
  const firstTokenMs = draft.timeouts.firstTokenMs ?? settings.firstTokenMs ?? defaultTimeouts.firstTokenMs
  const { connectMs, idleMs } = defaultTimeouts
  return { connectMs, firstTokenMs: Math.min(firstTokenMs, totalMs), idleMs: Math.min(idleMs, totalMs), totalMs }
}

/** Names that were given are kept, whoever comes first; what would be said twice is numbered. */
function uniqueIds(drafts: readonly DeploymentDraft[]): string[] {
  const counts = new Map<string, number>()
  const taken = new Set(drafts.flatMap(({ id }) => id ?? []))
  return drafts.map((draft) => {
    const id = draft.id ?? `${draft.model}/${draft.family.name}/${draft.upstreamModel}`
    let count = (counts.get(id) ?? 0) + 1
    if (draft.id === undefined) while (taken.has(numbered(id, count))) count += 1
    counts.set(id, count)
    return numbered(id, count)
  })
}

function numbered(id: string, count: number): string {
  return count === 1 ? id : `${id}#${count}`
}

function groupByModel(drafts: readonly DeploymentDraft[], deployments: readonly Deployment[]): ModelEntry[] {
  const groups = new Map<string, number[]>()
  deployments.forEach((deployment, index) => {
    const group = groups.get(deployment.model)
    if (group === undefined) groups.set(deployment.model, [index])
    else group.push(index)
  })
  return [...groups].map(([name, members]) => {
    const weights = groupWeights(members.map((index) => drafts[index]?.weights ?? {}))
    const weighed = members.flatMap((member, index) => {
      const deployment = deployments[member]
      return deployment === undefined ? [] : [{ ...deployment, weight: weights[index] ?? 1 }]
    })
    const mode = weighed.find((deployment) => deployment.mode !== undefined)?.mode
    return { name, ...(mode === undefined ? {} : { mode }), deployments: weighed }
  })
}

/**
 * LiteLLM's simple-shuffle weighs by the first of weight, rpm and tpm that is set. Weights count 1 where one is missing;
 * limits only serve as weights when each deployment has one. Never all 0.
 */
function groupWeights(group: readonly DeploymentDraft['weights'][]): number[] {
  for (const key of weightKeys) {
    const set = group.filter((weights) => weights[key] !== undefined).length
    if (set === 0 || (key !== 'weight' && set < group.length)) continue
    const weights = group.map((entry) => entry[key] ?? 1)
    if (weights.some((weight) => weight > 0)) return weights
  }
  return group.map(() => 1)
}
