import type { InferqConfig, RoutingRule, RuleTarget } from '@inferq/config'
import type { CommandContext } from '../context.ts'
import { exitCodes } from '../exit-codes.ts'
import { loadConfig } from '../load-config.ts'
import { readSettings } from '../settings.ts'

/** Reads a configuration as a start would, and says what is in it. Throws CommandError 3 with every fault. */
export async function runConfigCheck(file: string | undefined, context: CommandContext): Promise<number> {
  const { configFile } = readSettings(context.variables)
  const loaded = loadConfig({ file: file ?? configFile, variables: context.variables })
  context.out(describeConfig(loaded.config, loaded.file ?? 'the environment'))
  return exitCodes.ok
}

/** What a configuration amounts to, for a reader. Holds no secret. */
export function describeConfig(config: InferqConfig, name: string): string {
  const { models, deployments, classes, routing, unused } = config
  const { any, contextWindow, contentPolicy, otherwise } = routing.fallbacks
  const fallbacks = [
    ...describeFallbacks('', any),
    ...describeFallbacks(' (context window)', contextWindow),
    ...describeFallbacks(' (content policy)', contentPolicy),
    ...(otherwise.length === 0 ? [] : [`any other → ${otherwise.join(' → ')}`]),
  ]
  const sections: (readonly [string, readonly string[]])[] = [
    [`Models (${models.length}, over ${count(deployments.length, 'deployment')})`, models.map(describeModel)],
    [
      `Classes (${Object.keys(classes).length})`,
      Object.entries(classes).map(([className, { concurrency }]) => `${className}: ${concurrency} at once`),
    ],
    [`Rules (${routing.rules.length}), then ${routing.strategy}`, routing.rules.map(describeRule)],
    [`Fallbacks (${fallbacks.length})`, fallbacks],
    [`Aliases`, Object.entries(routing.aliases).map(([alias, { model }]) => `${alias} = ${model}`)],
    [`Accepted, not used (${unused.length})`, unused],
  ]
  const lines = sections.flatMap(([title, items]) =>
    items.length === 0 ? [] : ['', title, ...items.map((item) => `  ${item}`)],
  )
  const none = deployments.length === 0 ? ['', 'No models: backends are looked for at the start.'] : []
  return `${[`${name}: no fault`, ...none, ...lines].join('\n')}\n`
}

function describeModel({ name, deployments, mode }: InferqConfig['models'][number]): string {
  const upstreams = deployments.map(({ provider, upstreamModel }) => `${provider}/${upstreamModel}`)
  return `${name}: ${upstreams.join(', ')}${mode === 'embedding' ? '  (embeddings)' : ''}`
}

function describeRule(rule: RoutingRule): string {
  const { condition, task, feature, tags } = rule.when
  const when = [
    ...(condition === undefined ? [] : [condition]),
    ...(task === undefined ? [] : [`task ${task}`]),
    ...(feature === undefined ? [] : [`feature ${feature}`]),
    ...(tags === undefined ? [] : [`tags ${tags.join(' or ')}`]),
  ]
  const limits = [
    ...(rule.strategy === undefined ? [] : [rule.strategy]),
    ...(rule.maxCostUsd === undefined ? [] : [`at most ${rule.maxCostUsd} USD`]),
  ]
  const how = limits.length === 0 ? '' : `  (${limits.join(', ')})`
  return `${rule.id}: ${when.length === 0 ? 'always' : when.join(' and ')} → ${describeTarget(rule.to)}${how}`
}

function describeTarget(to: RuleTarget): string {
  switch (to.kind) {
    case 'asked':
      return 'the model that was asked for'
    case 'model':
      return to.model
    case 'split':
      return `${to.shares.map(({ model, weight }) => `${model} ${weight}`).join(', ')} by ${to.stickyBy}`
    case 'heuristic':
      return Object.entries(to.models)
        .map(([kind, model]) => `${kind}: ${model}`)
        .join(', ')
    case 'cascade':
      return `${to.models.join(', then ')} on ${to.escalateOn.join(', ')}`
    default:
      return to satisfies never
  }
}

function describeFallbacks(kind: string, chains: Readonly<Record<string, readonly string[]>>): string[] {
  return Object.entries(chains).map(([model, others]) => `${model}${kind} → ${others.join(' → ')}`)
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
