import type { Fault } from './fault.ts'
import { isAbsent, type Reader } from './reader.ts'
import { type ListTree, type MapEntry, type MapTree, type Place, parseTree, type Tree } from './tree.ts'

export interface SourceFile {
  readonly file: string
  readonly text: string
}

/** Gives the file at `path`, which is relative to the file that names it; null when it cannot be read. */
export type ReadInclude = (path: string, fromFile: string) => SourceFile | null

/** More than anyone includes; it bounds what a reload reads. */
const maxFiles = 200

/**
 * Reads a file and everything it includes into one map: lists are appended in the order of inclusion, of sections the keys
 * come together, and where two files say the same key the including one wins (the other is told as not used). A file that
 * two others include counts once. Null after a fault that leaves nothing to build on; every fault is recorded.
 */
export function readFiles(source: SourceFile, readInclude: ReadInclude, reader: Reader): MapTree | Tree | null {
  const read = new Set<string>()
  const load = ({ file, text }: SourceFile, chain: readonly string[], place?: Place): Tree | null => {
    read.add(file)
    const faults: Fault[] = []
    const tree = parseTree(file, text, faults)
    reader.faults.push(...faults)
    if (tree === null) return null
    if (tree.kind === 'list' && place !== undefined) return asModelList(tree)
    if (tree.kind !== 'map') return tree
    let whole: MapTree = { ...tree, entries: tree.entries.filter((entry) => entry.name !== 'include') }
    for (const entry of tree.entries.filter((candidate) => candidate.name === 'include')) {
      for (const item of includeItems(entry.tree, reader)) {
        const included = follow(item, file, chain)
        if (included?.kind === 'map') whole = merge(whole, included, reader)
        else if (included)
          reader.fault(item, 'a file that holds neither keys nor models', 'a configuration, or a list of models')
      }
    }
    return whole
  }

  const follow = (item: Tree, file: string, chain: readonly string[]): Tree | null => {
    const path = reader.text(item)
    if (path === undefined) return null
    const found = readInclude(path, file)
    if (found === null) {
      reader.fault(item, `the file ${path}, which cannot be read`, 'a file that is there, relative to this one')
      return null
    }
    if (chain.includes(found.file)) {
      const way = [...chain.slice(chain.indexOf(found.file)), found.file].join(' → ')
      reader.fault(item, `a circle of files: ${way}`, 'files that do not include themselves')
      return null
    }
    if (read.has(found.file)) return null
    if (read.size >= maxFiles) {
      reader.fault(item, `more than ${maxFiles} files`, 'fewer')
      return null
    }
    return load(found, [...chain, found.file], item)
  }
  return load(source, [source.file])
}

function includeItems(tree: Tree, reader: Reader): readonly Tree[] {
  if (tree.kind === 'scalar') return isAbsent(tree) ? [] : [tree]
  return reader.list(tree) ?? []
}

/** A file that is nothing but a list of models. */
function asModelList(tree: ListTree): MapTree {
  const entries = [{ name: 'model_list', line: tree.line, tree: { ...tree, key: 'model_list' } }]
  return { kind: 'map', file: tree.file, line: tree.line, key: '', entries }
}

function merge(main: MapTree, included: MapTree, reader: Reader): MapTree {
  const entries: MapEntry[] = [...main.entries]
  const own = new Set<string>()
  for (const entry of included.entries) {
    // A key twice in the included file stays twice here, so that it is told as the mistake it is.
    const index = own.has(entry.name) ? -1 : entries.findIndex((candidate) => candidate.name === entry.name)
    own.add(entry.name)
    const before = entries[index]
    if (before === undefined) entries.push(entry)
    else entries[index] = { ...before, ...mergeValues(before, entry, reader) }
  }
  return { ...main, entries }
}

function mergeValues(main: MapEntry, included: MapEntry, reader: Reader): MapEntry {
  if (isAbsent(main.tree)) return included
  if (isAbsent(included.tree)) return main
  if (main.tree.kind === 'list' && included.tree.kind === 'list') {
    return { ...main, tree: { ...main.tree, items: [...main.tree.items, ...included.tree.items] } }
  }
  if (main.tree.kind === 'map' && included.tree.kind === 'map') {
    return { ...main, tree: merge(main.tree, included.tree, reader) }
  }
  reader.notUsed(included.tree, `said otherwise in ${main.tree.file}`)
  return main
}
