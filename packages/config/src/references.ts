/** Where references in a configuration are looked up. */
export interface References {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `environment_variables:` of the file: defaults for what the environment does not set. */
  readonly defaults: ReadonlyMap<string, string>
  /** The text of a secret's file, or null when it cannot be read. */
  readFile(path: string): string | null
  /** Values may not name files by themselves: they come from people who may not read this machine's files. */
  readonly refusesFiles?: true
}

export type Resolved =
  | { readonly kind: 'value'; readonly text: string }
  /** Nothing says it. `what` names what is missing. */
  | { readonly kind: 'missing'; readonly what: string }
  /** Something says it wrongly. `what` names what, never a value. */
  | { readonly kind: 'broken'; readonly what: string }

/**
 * Replaces references in a value: `os.environ/NAME` and `file:/path` as the whole of it, `${NAME}` and
 * `${NAME:-default}` anywhere in it. An empty variable counts as missing, as in a shell's `:-`.
 */
export function resolveReferences(text: string, references: References): Resolved {
  if (text.startsWith('os.environ/')) return lookUp(text.slice('os.environ/'.length).trim(), references)
  if (text.startsWith('file:/') && references.refusesFiles) {
    return { kind: 'broken', what: 'a file, which only a configuration file may name' }
  }
  if (text.startsWith('file:/')) return readSecret(text.slice('file:'.length).replace(/^\/{3}/, '/'), references)
  let fault: Resolved | undefined
  const replaced = text.replaceAll(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (_, name: string, otherwise?: string) => {
      const found = lookUp(name, references)
      if (found.kind === 'value') return found.text
      if (otherwise === undefined || found.kind === 'broken') fault ??= found
      return otherwise ?? ''
    },
  )
  return fault ?? { kind: 'value', text: replaced }
}

/** A variable, from the environment, from the file that `NAME_FILE` names, or from the file's defaults. */
export function lookUp(name: string, references: References): Resolved {
  const direct = references.env[name] || undefined
  const path = references.env[`${name}_FILE`] || undefined
  if (direct !== undefined && path !== undefined) return { kind: 'broken', what: `both ${name} and ${name}_FILE` }
  if (direct !== undefined) return { kind: 'value', text: direct }
  if (path !== undefined) return readSecret(path, references)
  const otherwise = references.defaults.get(name) || undefined
  if (otherwise !== undefined) return { kind: 'value', text: otherwise }
  return { kind: 'missing', what: `the environment variable ${name}, which is not set` }
}

function readSecret(path: string, references: References): Resolved {
  const text = references.readFile(path)?.trim()
  if (text === undefined) return { kind: 'broken', what: `the file ${path}, which cannot be read` }
  if (text === '') return { kind: 'broken', what: `the file ${path}, which is empty` }
  return { kind: 'value', text }
}
