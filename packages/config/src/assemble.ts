import { type DeploymentDraft, weightKeys } from './deployment.ts'
import type { ClassConfig, Deployment, InferqConfig, ModelEntry, ProviderName } from './inferq-config.ts'
import type { Settings } from './settings.ts'

/** Over one worker process. Ollama answers few at a time and queues the rest where nobody sees it. */
const defaultConcurrency: Readonly<Record<ProviderName, number>> = { openai: 64, vllm: 64, ollama: 4 }

const defaultTimeouts = {
  connectMs: 5_000,
  // A local backend may load the model first, and a hosted one may think first.
  firstTokenMs: 120_000,
  idleMs: 60_000,
  // OpenAI's clients give up after ten minutes: https://github.com/openai/openai-python#timeouts
  totalMs: 600_000,
} as const

const day = 86_400

/** Puts the parts together: ids, classes, weights, defaults. Every fault has been found before. */
export function assemble(
  drafts: readonly DeploymentDraft[],
  settings: Settings,
  surroundings: { readonly masterKey: string | undefined; readonly unused: readonly string[] },
): InferqConfig {
  const classNames = drafts.map(classOf)
  const classes = assembleClasses(drafts, classNames, settings)
  const ids = uniqueIds(drafts)
  const deployments = drafts.map((draft, index): Deployment => {
    const className = classNames[index] ?? draft.model
    return {
      id: ids[index] ?? draft.model,
      model: draft.model,
      provider: draft.provider,
      upstreamModel: draft.upstreamModel,
      baseUrl: draft.baseUrl,
      ...(draft.apiKey === undefined ? {} : { apiKey: draft.apiKey }),
      class: className,
      ...(draft.mode === undefined ? {} : { mode: draft.mode }),
      weight: 1,
      defaults: draft.defaults,
      timeouts: assembleTimeouts(draft, settings),
      ...(draft.contextWindow === undefined ? {} : { contextWindow: draft.contextWindow }),
      options: { ...draft.options, ...classes[className]?.options },
      headers: draft.headers,
      simulated: draft.simulated,
    }
  })
  const models = groupByModel(drafts, deployments)
  const masterKey = settings.masterKey ?? surroundings.masterKey
  const defaultModel = settings.defaultModel?.name ?? models.find((model) => model.mode !== 'embedding')?.name
  return {
    deployments: models.flatMap((model) => model.deployments),
    models,
    classes,
    workers: { lockSeconds: 6, stalledSeconds: 2, maxAttempts: 3, drainSeconds: 60, ...settings.workers },
    retention: { resultSeconds: 7 * day, promptSeconds: 0, spendSeconds: 400 * day, ...settings.retention },
    limits: { bodyBytes: settings.bodyBytes ?? 10 * 1024 * 1024 },
    ...(defaultModel === undefined ? {} : { defaultModel }),
    ...(masterKey === undefined ? {} : { masterKey }),
    ...(settings.databaseUrl === undefined ? {} : { databaseUrl: settings.databaseUrl }),
    unused: surroundings.unused,
  }
}

/** A local model has its own class, for a swap costs seconds; all of a cloud provider is one. */
export function classOf(draft: DeploymentDraft): string {
  if (draft.class !== undefined) return draft.class
  if (draft.simulated) return 'simulated'
  return draft.provider === 'openai' ? draft.provider : draft.model.replaceAll(/[^\x21-\x7e]/g, '_').slice(0, 200)
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
    const usual = draft.simulated ? 64 : defaultConcurrency[draft.provider]
    const concurrency = own?.concurrency ?? Math.min(usual, classes[name]?.concurrency ?? usual)
    classes[name] = { concurrency, options: own?.options ?? {} }
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

function uniqueIds(drafts: readonly DeploymentDraft[]): string[] {
  const seen = new Map<string, number>()
  return drafts.map((draft) => {
    const id = `${draft.model}/${draft.provider}/${draft.upstreamModel}`
    const count = (seen.get(id) ?? 0) + 1
    seen.set(id, count)
    return count === 1 ? id : `${id}#${count}`
  })
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
