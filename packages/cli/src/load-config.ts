import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import {
  type ConfigResult,
  type DetectedBackend,
  type Fault,
  formatFault,
  type InferqConfig,
  parseConfig,
} from '@inferq/config'
import type { OverlayModel } from '@inferq/liveconfig'
import { errorMessage } from '@inferq/runtime'
import { CommandError, exitCodes } from './exit-codes.ts'
import { shownPath, type Variables } from './settings.ts'

export interface LoadedConfig {
  readonly config: InferqConfig
  /** Shown to the user; undefined: no file, the environment alone. */
  readonly file: string | undefined
  /** It names what the file does not have, and models added at run time may: to be read again with them, then strictly. */
  readonly isProvisional?: boolean
}

export interface LoadConfigOptions {
  /** Named by an option or a variable: it has to be there. Undefined: `inferq.yaml` when there is one. */
  readonly file: string | undefined
  readonly variables: Variables
  /** Serve where the file declares no models. */
  readonly detected?: readonly DetectedBackend[]
  /** Added at run time: laid over the file's models. */
  readonly overlay?: readonly OverlayModel[]
  /** The models added at run time come later. */
  readonly overlayPending?: boolean
}

const usualFile = 'inferq.yaml'

/** Reads and checks the configuration. Throws CommandError 3 with every fault, or when the file is not there. */
export function loadConfig(options: LoadConfigOptions): LoadedConfig {
  const { result, file } = readConfig(options)
  if (result.kind === 'config') return { config: result.config, file }
  throw new CommandError(exitCodes.configInvalid, describeFaults(result.faults))
}

/**
 * As `loadConfig`, for a start that will read the models added at run time in a moment: what only they can mend is no fault
 * yet. Throws CommandError 3 with every fault.
 */
export function loadConfigAtStart(options: LoadConfigOptions): LoadedConfig {
  const { result, file } = readConfig(options)
  if (result.kind === 'config') return { config: result.config, file }
  const later = readConfig({ ...options, overlayPending: true }).result
  if (later.kind === 'config') return { config: later.config, file, isProvisional: true }
  throw new CommandError(exitCodes.configInvalid, describeFaults(result.faults))
}

/** As `loadConfig`, with the faults as data. Throws CommandError 3 only when the file is not there. */
export function readConfig({ file, variables, detected, overlay, overlayPending = false }: LoadConfigOptions): {
  readonly result: ConfigResult
  readonly file: string | undefined
} {
  const path = file ?? (existsSync(usualFile) ? usualFile : undefined)
  const source = path === undefined ? undefined : { file: shownPath(path), text: readConfigFile(path) }
  const result = parseConfig({
    env: variables,
    readFile: readSecretFile,
    readInclude,
    overlayPending,
    ...(source === undefined ? {} : { source }),
    ...(detected === undefined ? {} : { detected }),
    ...(overlay === undefined ? {} : { overlay }),
  })
  return { result, file: source?.file }
}

export function describeFaults(faults: readonly Fault[]): string {
  const lines = faults.map((fault) => `  ${formatFault(fault)}`).join('\n')
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
  return `the configuration has ${count}\n${lines}`
}

function readConfigFile(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (thrown) {
    const mend = 'name another file with --config or INFERQ_CONFIG'
    throw new CommandError(exitCodes.configInvalid, `the configuration cannot be read: ${errorMessage(thrown)}`, mend)
  }
}

/** A file that another one includes: its path is relative to that one's folder. */
function readInclude(path: string, fromFile: string): { readonly file: string; readonly text: string } | null {
  const place = resolve(dirname(fromFile), path)
  const text = readSecretFile(place)
  return text === null ? null : { file: shownPath(place), text }
}

function readSecretFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
