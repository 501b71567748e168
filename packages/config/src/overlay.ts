import { checkKnown, findCycles } from './check-names.ts'
import { type DeploymentDraft, readDeployments } from './deployment.ts'
import type { FallbackDraft } from './fallbacks.ts'
import type { Fault } from './fault.ts'
import type { LoadBalancing } from './load-balancing.ts'
import type { Names } from './names.ts'
import { createReader, type Reader } from './reader.ts'
import type { References } from './references.ts'
import { treeOf } from './tree.ts'
import { createVariableReader } from './variables.ts'

/** A model added at run time, as one entry of `model_list`. */
export interface OverlayRow {
  readonly id: string
  readonly modelName: string
  readonly litellmParams: Readonly<Record<string, unknown>>
  readonly modelInfo: Readonly<Record<string, unknown>>
}

/** What one row has become. */
export interface OverlayRead {
  readonly row: OverlayRow
  readonly drafts: readonly DeploymentDraft[]
  readonly reader: Reader
}

/**
 * Reads the models of the database by the very rules of the file. They may refer to variables, never to files of this
 * machine: who may add a model need not be who may read them.
 */
export function readOverlay(
  rows: readonly OverlayRow[],
  references: References,
  loadBalancing: LoadBalancing,
): readonly OverlayRead[] {
  return rows.map((row) => {
    const reader = createReader({ ...references, refusesFiles: true })
    // A variable that is set wrongly is a fault of the row that needs it, and of no other.
    const surroundings = { variable: createVariableReader(references, reader.faults), loadBalancing }
    const place = { file: 'database', line: 0, key: row.id }
    const entry = {
      model_name: row.modelName,
      litellm_params: row.litellmParams,
      model_info: { ...row.modelInfo, id: row.id },
    }
    const tree = treeOf(entry, place)
    if (tree === null) reader.fault(place, 'too much', 'an entry of model_list')
    const drafts = tree === null ? [] : readDeployments(tree, reader, surroundings, 'database')
    return { row, drafts, reader }
  })
}

/** Rows that can serve, and what is wrong with the others; each row is judged by itself, in order. */
export function chooseRows(
  reads: readonly OverlayRead[],
  fileDrafts: readonly DeploymentDraft[],
  fileFallbacks: readonly FallbackDraft[],
  names: Names,
  aliases: ReadonlySet<string>,
): {
  readonly drafts: readonly DeploymentDraft[]
  readonly fallbacks: readonly FallbackDraft[]
  readonly faults: readonly Fault[]
  readonly unused: readonly string[]
} {
  const ids = new Set(fileDrafts.flatMap(({ id }) => id ?? []))
  const drafts: DeploymentDraft[] = []
  const fallbacks: FallbackDraft[] = []
  const faults: Fault[] = []
  const unused: string[] = []
  for (const { row, drafts: own, reader } of reads) {
    const place = { file: 'database', line: 0, key: row.id }
    if (ids.has(row.id)) reader.fault(place, `the id "${row.id}" again`, 'each id only once')
    if (aliases.has(row.modelName))
      reader.fault(place, `"${row.modelName}", which is an alias too`, 'another model_name')
    const added = ownFallbacks(own)
    for (const { from, to } of added) {
      for (const target of to) {
        checkKnown(target, names, reader)
        if (names.resolve(target.name) === from.name)
          reader.fault(target.place, `"${target.name}" as its own fallback`, 'another model')
      }
    }
    const cycle = added.length === 0 ? undefined : findCycles([...fileFallbacks, ...fallbacks, ...added], names)[0]
    if (cycle)
      reader.fault(cycle.place, `a circle of fallbacks: ${cycle.way.join(' → ')}`, 'fallbacks that do not lead back')
    faults.push(...reader.faults)
    if (reader.faults.length > 0) continue
    ids.add(row.id)
    unused.push(...reader.unused)
    drafts.push(...own)
    fallbacks.push(...added)
  }
  return { drafts, fallbacks, faults, unused }
}

/** `litellm_params.fallbacks` of each entry, as fallbacks of its model. */
export function ownFallbacks(drafts: readonly DeploymentDraft[]): FallbackDraft[] {
  const seen = new Set<unknown>()
  return drafts.flatMap(({ model, place, fallbacks }) => {
    if (fallbacks.length === 0 || seen.has(place)) return []
    seen.add(place)
    return [{ from: { name: model, place }, to: fallbacks }]
  })
}
