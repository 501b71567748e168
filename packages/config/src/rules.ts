import { parseCondition } from './condition.ts'
import type { RoutingRule } from './inferq-config.ts'
import type { Named, Reader } from './reader.ts'
import { readTarget, targetKeys } from './rule-target.ts'
import { readStrategy } from './strategy.ts'
import { readTexts } from './texts.ts'
import type { Tree } from './tree.ts'

/** A rule whose models may still be names of nothing. */
export interface RuleDraft {
  readonly rule: RoutingRule
  /** Every model it names. */
  readonly models: readonly Named[]
}

const ruleKeys = ['name', 'condition', 'task', 'feature', 'tags', 'strategy', 'max_cost', ...targetKeys]

/** Rules in the order in which they are asked: `routing`, `routing_rules`, then the features among `models`. */
export function readRules(
  top: ReadonlyMap<string, Tree>,
  features: readonly Tree[],
  reader: Reader,
): readonly RuleDraft[] {
  const trees = [
    ...(reader.list(top.get('routing')) ?? []),
    ...(reader.list(top.get('routing_rules')) ?? []),
    ...features,
  ]
  const drafts = trees.flatMap((tree) => readRule(tree, reader) ?? [])
  const seen = new Map<string, RoutingRule>()
  for (const { rule } of drafts) {
    const before = seen.get(rule.id)
    const tree = trees.find((candidate) => placeOf(candidate) === rule.place)
    if (before !== undefined && tree)
      reader.fault(tree, `the rule "${rule.id}" again, after ${before.place}`, 'names only once')
    seen.set(rule.id, before ?? rule)
  }
  return drafts
}

function readRule(tree: Tree, reader: Reader): RuleDraft | undefined {
  const faultsBefore = reader.faults.length
  const values = reader.section(tree, { acts: ruleKeys })
  if (values === undefined) return undefined
  const name = readName(values.get('name'), reader)
  const condition = readCondition(values.get('condition'), reader)
  const task = reader.text(values.get('task'))
  const feature = reader.text(values.get('feature'))
  const tags = values.has('tags') ? readTexts(values.get('tags'), reader) : undefined
  const strategy = readStrategy(values.get('strategy'), reader)
  const maxCostUsd = reader.number(values.get('max_cost'), { above: 0 })
  const target = readTarget(tree, values, reader)
  if (target?.target.kind === 'asked' && strategy === undefined && maxCostUsd === undefined) {
    if (reader.faults.length === faultsBefore) {
      reader.fault(tree, 'a rule that does nothing', 'model, split, heuristic, cascade, strategy or max_cost')
    }
  }
  // One with faults goes on all the same: the names in it are checked, and nothing comes of the configuration.
  if (target === undefined) return undefined
  const rule: RoutingRule = {
    id: name ?? tree.key,
    place: placeOf(tree),
    when: {
      ...(condition === undefined ? {} : { condition }),
      ...(task === undefined ? {} : { task }),
      ...(feature === undefined ? {} : { feature }),
      ...(tags === undefined ? {} : { tags }),
    },
    to: target.target,
    ...(strategy === undefined ? {} : { strategy }),
    ...(maxCostUsd === undefined ? {} : { maxCostUsd }),
  }
  return { rule, models: target.models }
}

/** It goes into headers, logs and metrics. */
function readName(tree: Tree | undefined, reader: Reader): string | undefined {
  const name = reader.text(tree)
  if (tree === undefined || name === undefined || /^[\x21-\x7e]([\x20-\x7e]{0,98}[\x21-\x7e])?$/.test(name)) return name
  reader.fault(tree, `"${name.slice(0, 60)}"`, 'a name of at most 100 printable characters')
  return undefined
}

function readCondition(tree: Tree | undefined, reader: Reader): string | undefined {
  const text = reader.text(tree)
  if (tree === undefined || text === undefined) return undefined
  const condition = parseCondition(text, 'request')
  if (condition.kind === 'condition') return text
  reader.fault(tree, `a condition with a fault (${condition.message})`, 'a condition in CEL that is true or false')
  return undefined
}

function placeOf({ file, line }: Tree): string {
  return `${file}:${line}`
}
