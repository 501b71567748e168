import { readFileSync, statSync } from 'node:fs'
import { errorMessage } from './errors.ts'

/** One thing wrong with the environment. Never holds a secret's value. */
export interface EnvironmentFault {
  /** The variable, as the user wrote it: `REDIS_URL`, or `REDIS_URL_FILE`. */
  readonly name: string
  readonly found: string
  readonly expected: string
}

/** Variables by name, each also read from the file that `<NAME>_FILE` names. */
export interface Environment {
  /** The value; undefined when unset, empty, or at fault (see `faults`). A file is read once, at the first asking. */
  get(name: string): string | undefined
  /** Whether the value came from a file. */
  isFromFile(name: string): boolean
  /** What was wrong with the variables asked for so far. */
  readonly faults: readonly EnvironmentFault[]
}

export type Variables = Readonly<Record<string, string | undefined>>

const maxFileBytes = 64 * 1024

/**
 * Reads variables lazily: only those asked for are looked up, so somebody else's `*_FILE` is left alone.
 * An empty variable counts as unset. From a file one final line break is dropped.
 * Faults: both `X` and `X_FILE` set; the file unreadable, empty, or over 64 KiB.
 */
export function readEnvironment(variables: Variables = processVariables()): Environment {
  const known = new Map<string, { readonly value: string | undefined; readonly fromFile: boolean }>()
  const faults: EnvironmentFault[] = []

  const look = (name: string): { readonly value: string | undefined; readonly fromFile: boolean } => {
    const fileName = `${name}_FILE`
    const direct = variables[name] || undefined
    const path = variables[fileName] || undefined
    if (path === undefined) return { value: direct, fromFile: false }
    if (direct !== undefined) {
      faults.push({ name, found: `both ${name} and ${fileName}`, expected: 'one of them' })
      return { value: undefined, fromFile: false }
    }
    const read = readSmallFile(path)
    if (typeof read === 'string') return { value: read, fromFile: true }
    faults.push({ name: fileName, found: `${path}: ${read.fault}`, expected: 'a readable file that holds the value' })
    return { value: undefined, fromFile: true }
  }

  const entry = (name: string): { readonly value: string | undefined; readonly fromFile: boolean } => {
    const seen = known.get(name)
    if (seen) return seen
    const fresh = look(name)
    known.set(name, fresh)
    return fresh
  }

  return {
    get: (name) => entry(name).value,
    isFromFile: (name) => entry(name).fromFile,
    faults,
  }
}

/** The variables of this process: the one place of this package that reads them. */
export function processVariables(): NodeJS.ProcessEnv {
  return process.env
}

function readSmallFile(path: string): string | { readonly fault: string } {
  try {
    const { size } = statSync(path)
    if (size > maxFileBytes) return { fault: `holds ${size} bytes, more than ${maxFileBytes}` }
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    return text === '' ? { fault: 'is empty' } : text
  } catch (thrown) {
    return { fault: errorMessage(thrown) }
  }
}
