import { type Strategy, strategies } from './inferq-config.ts'
import type { Reader } from './reader.ts'
import { didYouMean } from './suggest.ts'
import type { Tree } from './tree.ts'

/** Other names of strategies, LiteLLM's first: https://docs.litellm.ai/docs/routing */
const otherNames: Readonly<Record<string, Strategy>> = {
  'latency-based-routing': 'latency-based',
  'usage-based-routing': 'usage-based',
  'usage-based-routing-v2': 'usage-based',
  'cost-based-routing': 'cost-optimized',
  'cost-based': 'cost-optimized',
  'lowest-cost': 'cost-optimized',
  'lowest-latency': 'latency-based',
  weighted: 'simple-shuffle',
  random: 'simple-shuffle',
}

/** A strategy by any of its names, with hyphens or underscores. `also`: names that mean something here alone. */
export function readStrategy(
  tree: Tree | undefined,
  reader: Reader,
  also: Readonly<Record<string, Strategy>> = {},
): Strategy | undefined {
  const name = reader.text(tree)
  if (tree === undefined || name === undefined) return undefined
  const plain = name.trim().toLowerCase().replaceAll('_', '-')
  const own = strategies.find((strategy) => strategy === plain)
  const found = own ?? (Object.hasOwn(otherNames, plain) ? otherNames[plain] : undefined) ?? also[plain]
  if (found !== undefined) return found
  const known = [...strategies, ...Object.keys(otherNames), ...Object.keys(also)]
  reader.fault(tree, `"${name.slice(0, 60)}"`, `one of ${strategies.join(', ')}`, didYouMean(plain, known))
  return undefined
}
