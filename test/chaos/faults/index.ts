import type { Fault } from './fault.ts'
import { postgresFaults } from './postgres.ts'
import { processFaults } from './processes.ts'
import { redisFaults } from './redis.ts'
import { upstreamFaults } from './upstream.ts'

/** Everything that is made to go wrong. Names are unique. */
export const faults: readonly Fault[] = [...redisFaults, ...postgresFaults, ...processFaults, ...upstreamFaults]

/** Throws for a name that no fault has, with the names there are. */
export function faultsNamed(names: readonly string[]): readonly Fault[] {
  return names.map((name) => {
    const fault = faults.find((one) => one.name === name)
    if (fault === undefined)
      throw new Error(`no fault "${name}"; there are ${faults.map((one) => one.name).join(', ')}`)
    return fault
  })
}
