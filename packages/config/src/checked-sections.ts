import type { KeyRules, Reader } from './reader.ts'
import type { LitellmSections } from './settings.ts'
import type { Tree } from './tree.ts'

/**
 * Sections whose form is checked and that nothing acts on yet: caching, limits, budgets. Each is told once as not used. The
 * references in them are resolved, so that a secret that is missing is found before it is needed.
 */
export function checkUnusedSections(
  top: ReadonlyMap<string, Tree>,
  { litellm }: LitellmSections,
  reader: Reader,
): void {
  for (const name of ['cache', 'caching']) whenGiven(top.get(name), reader, (tree) => checkCache(tree, reader))
  whenGiven(top.get('rate_limits'), reader, (tree) => {
    for (const item of reader.list(tree) ?? []) checkLimit(item, reader)
  })
  whenGiven(litellm.get('rate_limit'), reader, (tree) => checkLimit(tree, reader))
  whenGiven(top.get('budget_limits'), reader, (tree) => {
    for (const item of reader.list(tree) ?? []) checkBudget(item, reader)
  })
  const cache = litellm.get('cache')
  if (reader.flag(cache) === true && cache !== undefined) reader.notUsed(cache)
  whenGiven(litellm.get('cache_params'), reader, (tree) => {
    for (const value of reader.names(tree)?.values() ?? []) reader.plain(value)
  })
}

/** Callbacks by name. Prometheus is always there; others are told one by one. */
export function readCallbacks(tree: Tree | undefined, reader: Reader): void {
  const items = tree?.kind === 'scalar' ? [tree] : (reader.list(tree) ?? [])
  for (const item of items) {
    const name = reader.text(item)
    if (name !== undefined && name !== 'prometheus') reader.notUsed(item, name)
  }
}

function whenGiven(tree: Tree | undefined, reader: Reader, check: (tree: Tree) => void): void {
  if (tree === undefined) return
  check(tree)
  reader.notUsed(tree)
}

type Check = (tree: Tree | undefined, reader: Reader) => unknown

const text: Check = (tree, reader) => reader.text(tree)
const secret: Check = (tree, reader) => reader.text(tree, { secret: true })
const flag: Check = (tree, reader) => reader.flag(tree)
const duration: Check = (tree, reader) => reader.seconds(tree)
const count: Check = (tree, reader) => reader.number(tree, { min: 0, integer: true })
const money: Check = (tree, reader) => reader.number(tree, { min: 0 })

function checkMap(tree: Tree | undefined, checks: Readonly<Record<string, Check>>, reader: Reader): number {
  const rules: KeyRules = { acts: Object.keys(checks) }
  const values = reader.section(tree, rules)
  for (const [name, value] of values ?? []) checks[name]?.(value, reader)
  return values?.size ?? -1
}

const semanticChecks = { threshold: share, similarity_threshold: share, model: text, enabled: flag }
const cacheChecks: Readonly<Record<string, Check>> = {
  ...{ enabled: flag, type: text, ttl: duration, key: text, key_generation: text, namespace: text, max_size: count },
  ...{ host: text, port: count, username: text, password: secret, url: secret, ssl: flag, db: count },
  semantic: (tree, reader) => checkMap(tree, semanticChecks, reader),
}

function checkCache(tree: Tree, reader: Reader): void {
  if (tree.kind === 'scalar') reader.flag(tree)
  else checkMap(tree, cacheChecks, reader)
}

const subjects = {
  ...{ per: text, user: text, user_id: text, team: text, team_id: text, key: text, api_key: secret, tag: text },
  ...{ model: text, provider: text, name: text },
}

const limits = ['rpm', 'tpm', 'max_parallel_requests']

function checkLimit(tree: Tree, reader: Reader): void {
  const size = checkMap(tree, { ...subjects, ...Object.fromEntries(limits.map((name) => [name, count])) }, reader)
  if (size < 0 || tree.kind !== 'map' || tree.entries.some((entry) => limits.includes(entry.name))) return
  reader.fault(tree, 'no limit', `one of ${limits.join(', ')}`)
}

const budgets = ['hourly_limit', 'daily_limit', 'weekly_limit', 'monthly_limit', 'yearly_limit', 'max_budget']

function checkBudget(tree: Tree, reader: Reader): void {
  const amounts = Object.fromEntries(budgets.map((name) => [name, money]))
  const currency: Check = (value) => reader.oneOf(value, ['USD', 'usd'])
  const size = checkMap(tree, { ...subjects, ...amounts, budget_duration: text, currency }, reader)
  if (size < 0 || tree.kind !== 'map' || tree.entries.some((entry) => budgets.includes(entry.name))) return
  reader.fault(tree, 'no budget', `one of ${budgets.join(', ')}`)
}

function share(tree: Tree | undefined, reader: Reader): unknown {
  return reader.number(tree, { min: 0, max: 1 })
}
