import { type DeploymentDraft, readDeployments } from './deployment.ts'
import type { Surroundings } from './endpoint.ts'
import { isAbsent, type Reader } from './reader.ts'
import type { Tree } from './tree.ts'

/** What `model_list`, and `models`, its older spelling, declare. */
export interface ModelList {
  readonly drafts: readonly DeploymentDraft[]
  /** Entries of `models` that are rules: `{feature, model}`. */
  readonly features: readonly Tree[]
  /** Every name of an entry, its faults or not: others may refer to it. */
  readonly names: readonly string[]
  /** There is at least one entry: nothing else is to be detected. */
  readonly declares: boolean
  /** Every entry could be read. */
  readonly complete: boolean
}

export function readModels(top: ReadonlyMap<string, Tree>, reader: Reader, surroundings: Surroundings): ModelList {
  const list = top.get('model_list')
  const older = reader.list(top.get('models')) ?? []
  const features = older.filter((entry) => hasKey(entry, 'feature') && !hasKey(entry, 'litellm_params'))
  const entries = [...readEntries(list, reader), ...older.filter((entry) => !features.includes(entry))]
  const read = entries.map((entry) => readDeployments(entry, reader, surroundings, 'file'))
  return {
    drafts: read.flat(),
    features,
    names: [...entries.flatMap((entry) => nameOf(entry) ?? []), ...read.flat().map((draft) => draft.model)],
    declares: list !== undefined || entries.length > 0,
    complete: read.every((drafts) => drafts.length > 0),
  }
}

function readEntries(tree: Tree | undefined, reader: Reader): readonly Tree[] {
  if (tree === undefined) return []
  const entries = reader.list(tree)
  if (entries?.length === 0 || isAbsent(tree)) {
    reader.fault(tree, 'an empty model_list', 'at least one model, or no model_list at all')
  }
  return entries ?? []
}

function hasKey(entry: Tree, name: string): boolean {
  return entry.kind === 'map' && entry.entries.some((pair) => pair.name === name)
}

/** As it is written: of an entry with a fault nothing better is known. */
function nameOf(entry: Tree): string | undefined {
  const tree = entry.kind === 'map' ? entry.entries.find((pair) => pair.name === 'model_name')?.tree : undefined
  return tree?.kind === 'scalar' && tree.value !== null ? String(tree.value) : undefined
}
