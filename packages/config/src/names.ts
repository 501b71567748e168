import type { AliasDraft } from './routing-section.ts'

/** The names that a client may send, as far as a configuration declares them. */
export interface Names {
  /** Models, in the order of the file; wildcards among them. */
  readonly models: readonly string[]
  /** A model, an alias, or something that a wildcard matches. */
  knows(name: string): boolean
  /** Of an alias the model it stands for; any other name is itself. */
  resolve(name: string): string
}

export function createNames(declared: Iterable<string>, aliases: readonly AliasDraft[]): Names {
  const models = new Set(declared)
  const byAlias = new Map(aliases.map((alias) => [alias.name, alias.target.name]))
  const wildcards = [...models].filter((name) => name.includes('*'))
  return {
    models: [...models],
    knows: (name) => models.has(name) || byAlias.has(name) || wildcards.some((pattern) => matches(pattern, name)),
    resolve: (name) => (models.has(name) ? name : (byAlias.get(name) ?? name)),
  }
}

/** Whether the name is the pattern with something in the place of its `*`. */
function matches(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*')
  const before = pattern.slice(0, star)
  const after = pattern.slice(star + 1)
  return name.length > before.length + after.length && name.startsWith(before) && name.endsWith(after)
}
