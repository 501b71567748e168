import type { Fault } from './fault.ts'
import { type References, resolveReferences } from './references.ts'
import { didYouMean } from './suggest.ts'
import type { MapEntry, MapTree, Place, Tree } from './tree.ts'

/** The keys of a section: those that act, and those accepted because LiteLLM or a later inferq knows them. */
export interface KeyRules {
  readonly acts: readonly string[]
  readonly accepted?: readonly string[]
  /** Anything else is accepted too, unless it looks like a misspelling: LiteLLM allows own keys here. */
  readonly open?: boolean
}

/**
 * Reads values out of a tree. Nothing throws: what does not fit becomes a fault and reads as undefined, so that one
 * pass finds every fault. A key without a value (`api_key:`) counts as absent.
 */
export interface Reader {
  readonly faults: Fault[]
  /** Accepted keys that do not act. */
  readonly unused: string[]
  fault(place: Place, found: string, expected: string, hint?: string): void
  /** Something that is there and has no effect; `what`: which of the key's values. */
  notUsed(place: Place, what?: string): void
  /** The values of a map by key; unknown and repeated keys are faults. Undefined when it is no map. */
  section(tree: Tree | undefined, rules: KeyRules): ReadonlyMap<string, Tree> | undefined
  /** The section of this name; empty where there is none. */
  sectionOf(top: ReadonlyMap<string, Tree>, name: string, rules: KeyRules): ReadonlyMap<string, Tree>
  /** Every entry of a map whose keys are names. */
  names(tree: Tree | undefined): ReadonlyMap<string, Tree> | undefined
  /** Every entry of a map, where a repeated key has a meaning. */
  pairs(tree: Tree | undefined): readonly MapEntry[] | undefined
  list(tree: Tree | undefined): readonly Tree[] | undefined
  text(tree: Tree | undefined, options?: TextOptions): string | undefined
  number(tree: Tree | undefined, options?: NumberOptions): number | undefined
  flag(tree: Tree | undefined): boolean | undefined
  oneOf<T extends string>(tree: Tree | undefined, allowed: readonly T[]): T | undefined
  /** Seconds, from a number or a text such as `30m`, `7d`; `none` is 0. */
  seconds(tree: Tree | undefined): number | undefined
  /** An http(s) URL without a slash at its end. */
  url(tree: Tree | undefined): string | undefined
  /** Anything, as plain data, with references resolved. */
  plain(tree: Tree): unknown
}

/** A name that something else has to bear, and where it is named. */
export interface Named {
  readonly name: string
  readonly place: Place
}

export interface TextOptions {
  /** Its value is in no fault. */
  readonly secret?: boolean
}
export interface NumberOptions {
  readonly min?: number
  readonly max?: number
  readonly integer?: boolean
  readonly above?: number
}

export function createReader(references: References, faults: Fault[] = [], unused: string[] = []): Reader {
  const fault: Reader['fault'] = (place, found, expected, hint) => {
    const { file, line, key } = place
    faults.push({ file, line, key, found, expected, ...(hint === undefined ? {} : { hint }) })
  }

  const notUsed: Reader['notUsed'] = ({ key, file, line }, what) => {
    const place = line > 0 ? `${file}:${line}` : file
    unused.push(`${what === undefined ? key : `${key}: ${what}`} (${place})`)
  }

  /** A scalar with its references resolved; undefined when absent or (after a fault) not readable. */
  const scalar = (tree: Tree | undefined, expected: string, secret = false): string | number | boolean | undefined => {
    if (tree === undefined || isAbsent(tree)) return undefined
    if (tree.kind !== 'scalar') {
      fault(tree, describe(tree, secret), expected)
      return undefined
    }
    if (typeof tree.value !== 'string') return tree.value ?? undefined
    const resolved = resolveReferences(tree.value, references)
    if (resolved.kind === 'value') return resolved.text
    fault(tree, `a reference to ${resolved.what}`, secret ? 'a secret that is there' : expected)
    return undefined
  }

  const uniqueEntries = (tree: MapTree): Map<string, Tree> => {
    const first = new Map<string, { line: number; tree: Tree }>()
    for (const entry of tree.entries) {
      const earlier = first.get(entry.name)
      if (earlier === undefined) first.set(entry.name, entry)
      else fault({ ...entry.tree, line: entry.line }, `the key again, after line ${earlier.line}`, 'each key only once')
    }
    return new Map([...first].map(([name, entry]) => [name, entry.tree]))
  }

  const asMap = (tree: Tree | undefined): MapTree | undefined => {
    if (tree === undefined || isAbsent(tree)) return undefined
    if (tree.kind === 'map') return tree
    fault(tree, describe(tree), 'keys with values')
    return undefined
  }

  const reader: Reader = {
    faults,
    unused,
    fault,
    notUsed,
    section(tree, rules) {
      const map = asMap(tree)
      if (map === undefined) return undefined
      const accepted = rules.accepted ?? []
      const values = new Map<string, Tree>()
      for (const [name, value] of uniqueEntries(map)) {
        if (rules.acts.includes(name)) {
          values.set(name, value)
          continue
        }
        if (!accepted.includes(name)) {
          const hint = didYouMean(name, [...rules.acts, ...accepted])
          if (!rules.open || hint !== undefined) {
            fault(value, 'an unknown key', `one of ${shortList(rules.acts)}`, hint)
            continue
          }
        }
        notUsed(value)
      }
      return values
    },
    sectionOf: (top, name, rules) => reader.section(top.get(name), rules) ?? new Map(),
    names(tree) {
      const map = asMap(tree)
      return map === undefined ? undefined : uniqueEntries(map)
    },
    pairs: (tree) => asMap(tree)?.entries,
    list(tree) {
      if (tree === undefined || isAbsent(tree)) return undefined
      if (tree.kind === 'list') return tree.items
      fault(tree, describe(tree), 'a list')
      return undefined
    },
    text(tree, options = {}) {
      const value = scalar(tree, 'a text', options.secret)
      if (value === undefined || tree === undefined) return undefined
      if (typeof value === 'boolean') {
        fault(tree, describe(tree, options.secret), 'a text', 'put it in quotes if it is meant as a text')
        return undefined
      }
      const text = String(value)
      if (text.trim() !== '') return text
      fault(tree, 'an empty text', 'a text')
      return undefined
    },
    number(tree, options = {}) {
      const expected = numberExpected(options)
      const value = scalar(tree, expected)
      if (value === undefined || tree === undefined) return undefined
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      if (typeof number === 'number' && fits(number, options)) return number
      fault(tree, describe(tree), expected)
      return undefined
    },
    flag(tree) {
      const value = scalar(tree, 'true or false')
      if (value === undefined || tree === undefined) return undefined
      if (typeof value === 'boolean') return value
      if (/^(true|yes|on|1)$/i.test(String(value))) return true
      if (/^(false|no|off|0)$/i.test(String(value))) return false
      fault(tree, describe(tree), 'true or false')
      return undefined
    },
    oneOf(tree, allowed) {
      const expected = `one of ${allowed.join(', ')}`
      const value = scalar(tree, expected)
      if (value === undefined || tree === undefined) return undefined
      const match = allowed.find((candidate) => candidate === value)
      if (match !== undefined) return match
      fault(tree, describe(tree), expected, didYouMean(String(value), allowed))
      return undefined
    },
    seconds(tree) {
      const expected = 'a duration such as 30s, 15m, 12h or 7d, a number of seconds, or none'
      const value = scalar(tree, expected)
      if (value === undefined || tree === undefined) return undefined
      const seconds = parseSeconds(value)
      if (seconds === undefined) fault(tree, describe(tree), expected)
      return seconds
    },
    url(tree) {
      const expected = 'an http:// or https:// URL'
      const value = scalar(tree, expected)
      if (value === undefined || tree === undefined) return undefined
      const url = parseUrl(String(value))
      if (url === undefined) fault(tree, describe(tree, String(value).includes('@')), expected)
      return url
    },
    plain(tree) {
      if (tree.kind === 'list') return tree.items.map(reader.plain)
      if (tree.kind === 'map') {
        return Object.fromEntries([...uniqueEntries(tree)].map(([name, value]) => [name, reader.plain(value)]))
      }
      return tree.value === null ? null : scalar(tree, 'a value')
    },
  }
  return reader
}

/** The object without its undefined values. */
export function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}

/** An http(s) URL without the slashes at its end, or undefined. */
function parseUrl(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.hostname === '') return undefined
  return text.trim().replace(/\/+$/, '')
}

/** Whether a key has no value. */
export function isAbsent(tree: Tree): boolean {
  return tree.kind === 'scalar' && tree.value === null
}

/** What a value is, in words; a secret's and a reference's text stays out. */
function describe(tree: Tree, secret = false): string {
  if (tree.kind === 'list') return `a list of ${tree.items.length}`
  if (tree.kind === 'map' && secret) return 'a map'
  if (tree.kind === 'map') return tree.entries.length === 0 ? 'an empty map' : `keys (${keySample(tree)})`
  if (secret) return `a ${typeof tree.value}`
  if (typeof tree.value !== 'string') return String(tree.value)
  return tree.value.length > 60 ? `"${tree.value.slice(0, 57)}…"` : `"${tree.value}"`
}

function keySample(tree: MapTree): string {
  const names = tree.entries.slice(0, 3).map((entry) => entry.name)
  return tree.entries.length > 3 ? `${names.join(', ')}, …` : names.join(', ')
}

/** Names for a message: not more than one reads. */
export function shortList(names: readonly string[]): string {
  return names.length > 12 ? `${names.slice(0, 10).join(', ')} and ${names.length - 10} others` : names.join(', ')
}

function numberExpected({ min, max, integer, above }: NumberOptions): string {
  const kind = integer ? 'a whole number' : 'a number'
  const bounds = [
    above === undefined ? undefined : `above ${above}`,
    min === undefined ? undefined : `at least ${min}`,
    max === undefined ? undefined : `at most ${max}`,
  ].filter((bound) => bound !== undefined)
  return [kind, bounds.join(' and ')]
    .filter((part) => part !== '')
    .join(' of ')
    .replace(' of above', ' above')
}

function fits(value: number, { min, max, integer, above }: NumberOptions): boolean {
  if (!Number.isFinite(value) || (integer && !Number.isSafeInteger(value))) return false
  return (
    (min === undefined || value >= min) && (max === undefined || value <= max) && (above === undefined || value > above)
  )
}

const secondsPerUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

function parseSeconds(value: string | number | boolean): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? value : undefined
  if (typeof value !== 'string') return undefined
  if (value === 'none') return 0
  const match = /^(\d+(?:\.\d+)?)\s*([smhdw]?)$/.exec(value.trim())
  return match === null ? undefined : Number(match[1]) * (secondsPerUnit[match[2] ?? ''] ?? 1)
}
