import { cloudFamilies } from './clouds.ts'
import type { ProviderFamily } from './family.ts'
import { localFamilies } from './local.ts'
import { nativeFamilies } from './native.ts'
import { azureFamilies, openaiFamilies } from './openai.ts'

export type { ProviderFamily, ProviderQuirks } from './family.ts'

/** Every provider that inferq can speak to. */
export const providerFamilies: readonly ProviderFamily[] = [
  ...openaiFamilies,
  ...azureFamilies,
  ...nativeFamilies,
  ...cloudFamilies,
  ...localFamilies,
]

const byName = new Map(providerFamilies.map((family) => [family.name, family]))
const byPrefix = new Map(providerFamilies.flatMap((family) => family.prefixes.map((prefix) => [prefix, family])))

/** By a deployment's `provider`. */
export function familyOf(name: string): ProviderFamily | undefined {
  return byName.get(name)
}

/** By what stands before the slash of `litellm_params.model`. */
export function familyOfPrefix(prefix: string): ProviderFamily | undefined {
  return byPrefix.get(prefix)
}
