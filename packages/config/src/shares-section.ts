import type { InferqConfig } from './inferq-config.ts'
import { defined, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'

const bounds = { above: 0, max: 1000 }

/** What a tenant can be called, in the file and in a header: visible ASCII. */
const tenantName = /^[\x21-\x7e]{1,128}$/

/** Whether a tenant can be called so. */
export function isTenantName(name: string): boolean {
  return tenantName.test(name)
}

/** `shares`: how much of a class each tenant may have, beside the others who want some. */
export function readShares(top: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['shares']> {
  const shares = reader.sectionOf(top, 'shares', { acts: ['default_weight', 'tenants'] })
  const tenants: [string, number][] = []
  for (const [name, tree] of reader.names(shares.get('tenants')) ?? []) {
    const weight = reader.number(tree, bounds)
    if (!isTenantName(name)) {
      reader.fault(tree, `the tenant "${name.slice(0, 60)}"`, '1 to 128 visible ASCII characters')
    } else if (weight !== undefined) tenants.push([name, weight])
  }
  return defined({
    defaultWeight: reader.number(shares.get('default_weight'), bounds),
    // A tenant may be called `__proto__`: assigning that name would change the object instead.
    tenantWeights: tenants.length === 0 ? undefined : Object.fromEntries(tenants),
  })
}

/** Of the tenant's share of a class, among those of its tier: 2 gets twice what 1 gets. */
export function weightOf({ defaultWeight, tenantWeights }: InferqConfig['shares'], tenant: string): number {
  return Object.hasOwn(tenantWeights, tenant) ? (tenantWeights[tenant] ?? defaultWeight) : defaultWeight
}
