import { familyOf, familyOfPrefix, type ProviderFamily } from './families/index.ts'
import type { Strategy } from './inferq-config.ts'
import type { Reader } from './reader.ts'
import { readStrategy } from './strategy.ts'
import type { Tree } from './tree.ts'

/** `load_balancing`: keys that a provider's deployments share, each key a deployment of its own. */
export interface LoadBalancing {
  /** Secrets, in the order of the file; none where the file has none for it. */
  keysOf(family: ProviderFamily): readonly string[]
  /** The first strategy that is named. */
  readonly strategy: Strategy | undefined
}

export function readLoadBalancing(tree: Tree | undefined, reader: Reader): LoadBalancing {
  const keys = new Map<string, string[]>()
  let strategy: Strategy | undefined
  for (const item of reader.list(tree) ?? []) {
    const values = reader.section(item, { acts: ['provider', 'api_keys', 'strategy'] })
    if (values === undefined) continue
    const family = readFamily(item, values.get('provider'), reader)
    const own = (reader.list(values.get('api_keys')) ?? []).flatMap((key) => reader.text(key, { secret: true }) ?? [])
    if (!values.has('api_keys')) reader.fault(item, 'no api_keys', 'api_keys, a list')
    if (family !== undefined) keys.set(family.name, [...(keys.get(family.name) ?? []), ...own])
    const found = readStrategy(values.get('strategy'), reader)
    const place = values.get('strategy')
    if (strategy !== undefined && found !== undefined && place && found !== strategy) {
      reader.fault(place, `another strategy than ${strategy} before`, 'one strategy for all')
    }
    strategy ??= found
  }
  return { keysOf: (family) => keys.get(family.name) ?? [], strategy }
}

function readFamily(item: Tree, tree: Tree | undefined, reader: Reader): ProviderFamily | undefined {
  const name = reader.text(tree)
  if (tree === undefined) reader.fault(item, 'no provider', 'provider, such as openai')
  if (tree === undefined || name === undefined) return undefined
  const family = familyOf(name) ?? familyOfPrefix(name)
  if (family === undefined) reader.fault(tree, `"${name.slice(0, 60)}"`, 'a provider, such as openai')
  return family
}
