import { existsSync, readFileSync } from 'node:fs'
import { type DetectedBackend, formatFault, type InferqConfig, parseConfig } from '@inferq/config'
import { errorMessage } from '@inferq/runtime'
import { CommandError, exitCodes } from './exit-codes.ts'
import { shownPath, type Variables } from './settings.ts'

export interface LoadedConfig {
  readonly config: InferqConfig
  /** Shown to the user; undefined: no file, the environment alone. */
  readonly file: string | undefined
}

export interface LoadConfigOptions {
  /** Named by an option or a variable: it has to be there. Undefined: `inferq.yaml` when there is one. */
  readonly file: string | undefined
  readonly variables: Variables
  /** Serve where the file declares no models. */
  readonly detected?: readonly DetectedBackend[]
}

const usualFile = 'inferq.yaml'

/** Reads and checks the configuration. Throws CommandError 3 with every fault, or when the file is not there. */
export function loadConfig({ file, variables, detected }: LoadConfigOptions): LoadedConfig {
  const path = file ?? (existsSync(usualFile) ? usualFile : undefined)
  const source = path === undefined ? undefined : { file: shownPath(path), text: readConfigFile(path) }
  const result = parseConfig({
    env: variables,
    readFile: readSecretFile,
    ...(source === undefined ? {} : { source }),
    ...(detected === undefined ? {} : { detected }),
  })
  if (result.kind === 'config') return { config: result.config, file: source?.file }
  const faults = result.faults.map((fault) => `  ${formatFault(fault)}`).join('\n')
  const count = result.faults.length === 1 ? '1 fault' : `${result.faults.length} faults`
  throw new CommandError(exitCodes.configInvalid, `the configuration has ${count}\n${faults}`)
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    const mend = 'name another file with --config or INFERQ_CONFIG'
    throw new CommandError(exitCodes.configInvalid, `the configuration cannot be read: ${errorMessage(thrown)}`, mend)
  }
}

function readSecretFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
