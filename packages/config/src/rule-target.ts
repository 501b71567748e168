import { type EscalationSign, escalationSigns } from '@inferq/contracts'
import { parseCondition } from './condition.ts'
import { type RequestKind, type RuleTarget, requestKinds } from './inferq-config.ts'
import type { Named, Reader } from './reader.ts'
import { readNames } from './texts.ts'
import type { Tree } from './tree.ts'

/** Where a rule sends a request, and every model that it names there. */
export interface TargetDraft {
  readonly target: RuleTarget
  readonly models: readonly Named[]
}

type Values = ReadonlyMap<string, Tree>

const kinds = ['model', 'split', 'heuristic', 'cascade'] as const
/** Keys that only mean something beside another. */
const companions: Readonly<Record<string, (typeof kinds)[number]>> = {
  sticky_by: 'split',
  escalate_on: 'cascade',
  min_logprob: 'cascade',
  check: 'cascade',
}

export const targetKeys = [...kinds, ...Object.keys(companions)]

/** Undefined after a fault. `tree`: the rule. */
export function readTarget(tree: Tree, values: Values, reader: Reader): TargetDraft | undefined {
  const named = kinds.filter((kind) => values.has(kind))
  const [kind, another] = named
  if (another !== undefined) {
    reader.fault(tree, `both ${kind} and ${another}`, 'one of model, split, heuristic, cascade')
    return undefined
  }
  for (const [key, owner] of Object.entries(companions)) {
    const place = values.get(key)
    if (place && owner !== kind) reader.fault(place, `${key} without ${owner}`, `${owner} beside it`)
  }
  const place = kind === undefined ? undefined : values.get(kind)
  if (kind === undefined || place === undefined) return { target: { kind: 'asked' }, models: [] }
  switch (kind) {
    case 'model': {
      const name = reader.text(place)
      return name === undefined ? undefined : { target: { kind, model: name }, models: [{ name, place }] }
    }
    case 'split':
      return readSplit(place, values, reader)
    case 'heuristic':
      return readHeuristic(place, reader)
    case 'cascade':
      return readCascade(place, values, reader)
    default:
      return kind satisfies never
  }
}

function readSplit(place: Tree, values: Values, reader: Reader): TargetDraft | undefined {
  const shares = [...(reader.names(place) ?? [])].map(([model, tree]) => {
    return { model, weight: reader.number(tree, { min: 0, max: 1e9 }) ?? 0, place: tree }
  })
  const stickyBy = reader.oneOf(values.get('sticky_by'), ['user', 'key', 'team', 'session', 'none'] as const) ?? 'user'
  if (!shares.some((share) => share.weight > 0)) {
    reader.fault(place, 'a split without shares', 'models with their shares, such as {a: 90, b: 10}')
    return undefined
  }
  return {
    target: { kind: 'split', shares: shares.map(({ model, weight }) => ({ model, weight })), stickyBy },
    models: shares.map((share) => ({ name: share.model, place: share.place })),
  }
}

function readHeuristic(place: Tree, reader: Reader): TargetDraft | undefined {
  const values = reader.section(place, { acts: requestKinds })
  if (values === undefined) return undefined
  const models = new Map<RequestKind, Named>()
  for (const kind of requestKinds) {
    const tree = values.get(kind)
    const name = reader.text(tree)
    if (tree !== undefined && name !== undefined) models.set(kind, { name, place: tree })
  }
  const simple = models.get('simple')
  if (simple === undefined) {
    reader.fault(place, 'a heuristic without simple', 'simple, the model for what is nothing else')
    return undefined
  }
  const names = Object.fromEntries([...models].map(([kind, { name }]) => [kind, name]))
  return { target: { kind: 'heuristic', models: { ...names, simple: simple.name } }, models: [...models.values()] }
}

function readCascade(place: Tree, values: Values, reader: Reader): TargetDraft | undefined {
  const models = readNames(place, reader)
  const names = models.map(({ name }) => name)
  if (names.length < 2 || new Set(names).size < names.length) {
    reader.fault(
      place,
      `a cascade of ${names.join(', ') || 'nothing'}`,
      'at least two models, each once, cheapest first',
    )
    return undefined
  }
  const minLogprob = reader.number(values.get('min_logprob'), { max: 0 })
  const check = readCheck(values.get('check'), reader)
  const escalateOn = readSigns(values, minLogprob !== undefined, reader)
  return {
    target: {
      kind: 'cascade',
      models: names,
      escalateOn,
      ...(minLogprob === undefined ? {} : { minLogprob }),
      ...(check === undefined ? {} : { check }),
    },
    models,
  }
}

/** By default every sign that can be seen: a low log probability only where somebody says what is low. */
function readSigns(values: Values, hasMinLogprob: boolean, reader: Reader): readonly EscalationSign[] {
  const tree = values.get('escalate_on')
  if (tree === undefined) return escalationSigns.filter((sign) => sign !== 'low_logprob' || hasMinLogprob)
  const items = tree.kind === 'scalar' ? [tree] : (reader.list(tree) ?? [])
  const signs = items.flatMap((item) => reader.oneOf(item, escalationSigns) ?? [])
  if (signs.includes('low_logprob') && !hasMinLogprob) {
    reader.fault(tree, 'low_logprob without min_logprob', 'min_logprob, the mean log probability that is too low')
  }
  const minLogprob = values.get('min_logprob')
  if (minLogprob && !signs.includes('low_logprob')) {
    reader.fault(minLogprob, 'min_logprob, which nothing looks at', 'low_logprob in escalate_on')
  }
  return [...new Set(signs)]
}

function readCheck(tree: Tree | undefined, reader: Reader): string | undefined {
  const text = reader.text(tree)
  if (tree === undefined || text === undefined) return undefined
  const condition = parseCondition(text, 'answer')
  if (condition.kind === 'condition') return text
  reader.fault(tree, `a check with a fault (${condition.message})`, 'a condition in CEL over the answer')
  return undefined
}
