import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument } from 'yaml'
import type { Fault } from './fault.ts'

/** A YAML value that knows where it stands. Repeated keys are all kept, in order: some sections give them a meaning. */
export type Tree = ScalarTree | ListTree | MapTree
export interface Place {
  readonly file: string
  readonly line: number
  /** Path from the top of the file. */
  readonly key: string
}
export interface ScalarTree extends Place {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
}
export interface ListTree extends Place {
  readonly kind: 'list'
  readonly items: readonly Tree[]
}
export interface MapTree extends Place {
  readonly kind: 'map'
  readonly entries: readonly MapEntry[]
}
export interface MapEntry {
  readonly name: string
  readonly line: number
  readonly tree: Tree
}

/** Bounds that no honest file meets; aliases that multiply do. */
const maxNodes = 250_000
const maxDepth = 64

/** Parses one file. Syntax errors become faults, and the result is then null; an empty file is an empty map. */
export function parseTree(file: string, text: string, faults: Fault[]): Tree | null {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, uniqueKeys: false, logLevel: 'silent', merge: true })
  for (const error of document.errors) {
    const line = error.linePos?.[0].line ?? lineCounter.linePos(error.pos[0]).line
    faults.push({ file, line, key: '', found: `broken YAML (${firstLine(error.message)})`, expected: 'valid YAML' })
  }
  if (document.errors.length > 0) return null
  if (document.contents === null) return { kind: 'map', file, line: 1, key: '', entries: [] }

  let nodes = 0
  const lineOf = (node: unknown, otherwise: number): number => {
    const start = (node as Node | null)?.range?.[0]
    return start === undefined || start === null ? otherwise : lineCounter.linePos(start).line
  }
  /** `keyLine`: the value of a key stands where its key does, however it is written. */
  const convert = (node: unknown, key: string, outerLine: number, depth: number, keyLine?: number): Tree => {
    nodes += 1
    const line = keyLine ?? lineOf(node, outerLine)
    if (nodes > maxNodes || depth > maxDepth) throw new TooLargeError(line)
    const place = { file, line, key }
    if (isAlias(node)) return convert(node.resolve(document), key, line, depth + 1, line)
    if (isMap(node)) return { kind: 'map', ...place, entries: mapEntries(node.items, key, line, depth) }
    if (isSeq(node)) {
      const items = node.items.map((item, index) => convert(item, `${key}[${index}]`, line, depth + 1))
      return { kind: 'list', ...place, items }
    }
    return { kind: 'scalar', ...place, value: scalarValue(isScalar(node) ? node.value : null) }
  }
  const mapEntries = (pairs: readonly Pair[], key: string, outerLine: number, depth: number): MapEntry[] => {
    const own: MapEntry[] = []
    const merged: MapEntry[] = []
    for (const pair of pairs) {
      const name = keyText(pair.key)
      const line = lineOf(pair.key, outerLine)
      if (name === '<<') {
        const inherited = convert(pair.value, key, line, depth + 1)
        const maps = inherited.kind === 'list' ? inherited.items : [inherited]
        for (const map of maps) if (map.kind === 'map') merged.push(...map.entries)
      } else {
        own.push({ name, line, tree: convert(pair.value, key === '' ? name : `${key}.${name}`, line, depth + 1, line) })
      }
    }
    const taken = new Set(own.map((entry) => entry.name))
    for (const entry of merged) {
      if (taken.has(entry.name)) continue
      taken.add(entry.name)
      own.push(entry)
    }
    return own
  }

  try {
    return convert(document.contents, '', 1, 0)
  } catch (thrown) {
    if (!(thrown instanceof TooLargeError)) throw thrown
    const expected = `at most ${maxNodes} values, nested at most ${maxDepth} deep`
    faults.push({ file, line: thrown.line, key: '', found: 'too much, or aliases that contain themselves', expected })
    return null
  }
}

/** Plain data (of the database, say) as a tree that no line is to blame for. Too deep or too much of it: null. */
export function treeOf(value: unknown, place: Place): Tree | null {
  let nodes = 0
  const convert = (part: unknown, key: string, depth: number): Tree => {
    nodes += 1
    if (nodes > maxNodes || depth > maxDepth) throw new TooLargeError(place.line)
    const here = { ...place, key }
    if (Array.isArray(part)) {
      return { kind: 'list', ...here, items: part.map((item, index) => convert(item, `${key}[${index}]`, depth + 1)) }
    }
    if (typeof part !== 'object' || part === null) return { kind: 'scalar', ...here, value: scalarValue(part) }
    const entries = Object.entries(part).map(([name, inner]) => {
      return { name, line: place.line, tree: convert(inner, key === '' ? name : `${key}.${name}`, depth + 1) }
    })
    return { kind: 'map', ...here, entries }
  }
  try {
    return convert(value, place.key, 0)
  } catch (thrown) {
    if (thrown instanceof TooLargeError) return null
    throw thrown
  }
}

class TooLargeError extends Error {
  readonly line: number
  constructor(line: number) {
    super('too large')
    this.line = line
  }
}

function keyText(key: unknown): string {
  if (!isScalar(key)) return String(key)
  return typeof key.value === 'symbol' ? '<<' : String(key.value)
}

function scalarValue(value: unknown): ScalarTree['value'] {
  if (value === null || value === undefined) return null
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  return String(value)
}

/** What is wrong, without the piece of the file that some messages quote: it may be a secret. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '').replace(/\s*[:"'].*$/, '')
}
