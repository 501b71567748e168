import type { Fault } from './fault.ts'
import { lookUp, type References } from './references.ts'

/** Gives the first of some variables that is set; one that is set wrongly is a fault, once. */
export function createVariableReader(
  references: References,
  faults: Fault[],
): (names: readonly string[]) => string | undefined {
  const told = new Set<string>()
  return (names) => {
    for (const name of names) {
      const found = lookUp(name, references)
      if (found.kind === 'value') return found.text
      if (found.kind === 'missing' || told.has(name)) continue
      told.add(name)
      faults.push({ file: 'environment', line: 0, key: name, found: found.what, expected: 'one value, or none' })
    }
    return undefined
  }
}
