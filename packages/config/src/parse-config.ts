import { assemble } from './assemble.ts'
import { assembleRouting } from './assemble-routing.ts'
import type { DetectedBackend } from './detected.ts'
import type { Fault } from './fault.ts'
import { type ReadInclude, readFiles, type SourceFile } from './include.ts'
import type { InferqConfig } from './inferq-config.ts'
import { createNames } from './names.ts'
import { chooseRows, type OverlayRow, readOverlay } from './overlay.ts'
import { checkSections, readSections } from './read-sections.ts'
import { createReader, type Reader } from './reader.ts'
import type { References } from './references.ts'
import type { Tree } from './tree.ts'
import { createVariableReader } from './variables.ts'

export interface ConfigInput {
  /** The configuration file; none: environment and detected backends alone. */
  readonly source?: SourceFile
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a secret's file (`file:/path`, `NAME_FILE`); null when it cannot. Without it no such file can be read. */
  readonly readFile?: (path: string) => string | null
  /** Reads a file that another includes. Without it none can be included. */
  readonly readInclude?: ReadInclude
  /** Serve when the file declares no models. */
  readonly detected?: readonly DetectedBackend[]
  /** Models of the database, laid over the file's. */
  readonly overlay?: readonly OverlayRow[]
  /**
   * The models of the database are not known yet, and names that nothing declares may be theirs: what one section says about
   * another is not judged. For the moments of a start before they are read, and it is parsed again.
   */
  readonly overlayPending?: boolean
}

export type ConfigResult =
  | { readonly kind: 'config'; readonly config: InferqConfig }
  /** At least one fault, file by file, in the order of the lines. */
  | { readonly kind: 'invalid'; readonly faults: readonly Fault[] }

/**
 * Makes the configuration, or names everything that is wrong with it. Pure, and never throws. A file without
 * models and no `detected` gives a configuration without deployments: the caller may then detect, and ask again.
 */
export function parseConfig(input: ConfigInput): ConfigResult {
  const faults: Fault[] = []
  const unused: string[] = []
  const readFile = input.readFile ?? (() => null)
  const bare: References = { env: input.env, defaults: new Map(), readFile }
  const early = createReader(bare, faults, unused)
  const tree = input.source === undefined ? null : readFiles(input.source, input.readInclude ?? (() => null), early)
  if (faults.length > 0) return { kind: 'invalid', faults: inFileOrder(faults) }

  const references: References = { ...bare, defaults: readVariables(tree, early) }
  const reader = createReader(references, faults, unused)
  const variable = createVariableReader(references, faults)
  const file = readSections(tree, reader, variable, input.detected ?? [])
  const masterKey = variable(['INFERQ_MASTER_KEY', 'LITELLM_MASTER_KEY'])
  const rows = readOverlay(input.overlay ?? [], references, file.loadBalancing)
  const names = checkSections(file, rows, input.overlayPending ? createReader(references) : reader)
  if (faults.length > 0) return { kind: 'invalid', faults: inFileOrder(faults) }

  const { routing } = file
  const aliases = new Set(routing.aliases.map((alias) => alias.name))
  const chosen = chooseRows(rows, file.drafts, routing.fallbacks.any, names, aliases)
  const drafts = [...file.drafts, ...chosen.drafts]
  const serving = drafts.map((draft) => draft.model)
  const config = assemble(drafts, file.settings, {
    routing: assembleRouting(routing, chosen.fallbacks, names, createNames(serving, routing.aliases).knows),
    masterKey,
    overlayFaults: chosen.faults,
    unused: [...unused, ...chosen.unused],
  })
  return { kind: 'config', config: freeze(config) }
}

/** The configuration of a start without a file: everything that was found running serves. */
export function configFromBackends(
  detected: readonly DetectedBackend[],
  env: ConfigInput['env'],
  readFile?: ConfigInput['readFile'],
): ConfigResult {
  return parseConfig({ env, detected, ...(readFile === undefined ? {} : { readFile }) })
}

/** `environment_variables:` comes first, since references elsewhere may need it. */
function readVariables(tree: Tree | null, reader: Reader): Map<string, string> {
  const variables = new Map<string, string>()
  if (tree?.kind !== 'map') return variables
  const section = tree.entries.find((entry) => entry.name === 'environment_variables')?.tree
  for (const [name, value] of reader.names(section) ?? []) {
    const isFlag = value.kind === 'scalar' && typeof value.value === 'boolean'
    const text = isFlag ? String(value.value) : reader.text(value, { secret: true })
    if (text !== undefined) variables.set(name, text)
  }
  return variables
}

/** Each file by itself, the ones first whose faults were found first; what no file is to blame for comes before all. */
function inFileOrder(faults: readonly Fault[]): Fault[] {
  const files = new Map([...new Set(faults.map((fault) => fault.file))].map((file, index) => [file, index]))
  const rank = ({ file, line }: Fault): number => (line === 0 ? -1 : (files.get(file) ?? 0))
  return [...faults].sort((a, b) => rank(a) - rank(b) || a.line - b.line)
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
