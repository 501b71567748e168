/** Where references in a configuration are looked up. */
export interface References {
  readonly env: Readonly<Record<string, string | undefined>>
  /** `environment_variables:` of the file: defaults for what the environment does not set. */
  readonly defaults: ReadonlyMap<string, string>
  /** The text of a secret's file, or null when it cannot be read. */
  readFile(path: string): string | null
}

export type Resolved =
  | { readonly kind: 'value'; readonly text: string }
  /** `what` names what is missing, never a value. */
  | { readonly kind: 'missing'; readonly what: string }

/**
 * Replaces references in a value: `os.environ/NAME` and `file:/path` as the whole of it, `${NAME}` and
 * `${NAME:-default}` anywhere in it. An empty variable counts as missing, as in a shell's `:-`.
 */
export function resolveReferences(text: string, references: References): Resolved {
  if (text.startsWith('os.environ/')) return lookUp(text.slice('os.environ/'.length).trim(), references)
  if (text.startsWith('file:/')) return readSecret(text.slice('file:'.length).replace(/^\/{3}/, '/'), references)
  let missing: Resolved | undefined
  const replaced = text.replaceAll(
    /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}/g,
    (_, name: string, otherwise?: string) => {
      const found = lookUp(name, references)
      if (found.kind === 'value') return found.text
      if (otherwise === undefined) missing ??= found
      return otherwise ?? ''
    },
  )
  return missing ?? { kind: 'value', text: replaced }
}

/** A variable, from the environment, from the file that `NAME_FILE` names, or from the file's defaults. */
export function lookUp(name: string, references: References): Resolved {
  const direct = references.env[name]
  if (direct !== undefined && direct !== '') return { kind: 'value', text: direct }
  const path = references.env[`${name}_FILE`]
  if (path !== undefined && path !== '') return readSecret(path, references)
  const otherwise = references.defaults.get(name)
  if (otherwise !== undefined && otherwise !== '') return { kind: 'value', text: otherwise }
  return { kind: 'missing', what: `the environment variable ${name}, which is not set` }
}

function readSecret(path: string, references: References): Resolved {
  const text = references.readFile(path)?.trim()
  if (text === undefined) return { kind: 'missing', what: `the file ${path}, which cannot be read` }
  if (text === '') return { kind: 'missing', what: `the file ${path}, which is empty` }
  return { kind: 'value', text }
}
