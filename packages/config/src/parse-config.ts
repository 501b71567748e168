import { assemble, classOf } from './assemble.ts'
import { type DeploymentDraft, readDeployment } from './deployment.ts'
import { type DetectedBackend, draftDetected } from './detected.ts'
import type { Fault } from './fault.ts'
import type { InferqConfig } from './inferq-config.ts'
import { acceptedTopLevel } from './litellm-keys.ts'
import { createReader, type Reader } from './reader.ts'
import { lookUp, type References } from './references.ts'
import { readSettings, type Settings } from './settings.ts'
import { didYouMean } from './suggest.ts'
import { parseTree, type Tree } from './tree.ts'

export interface ConfigInput {
  /** The configuration file; none: environment and detected backends alone. */
  readonly source?: { readonly file: string; readonly text: string }
  readonly env: Readonly<Record<string, string | undefined>>
  /** Reads a secret's file (`file:/path`, `NAME_FILE`); null when it cannot. Without it no such file can be read. */
  readonly readFile?: (path: string) => string | null
  /** Serve when the file declares no models. */
  readonly detected?: readonly DetectedBackend[]
}

export type ConfigResult =
  | { readonly kind: 'config'; readonly config: InferqConfig }
  /** At least one fault, in the order of the file. */
  | { readonly kind: 'invalid'; readonly faults: readonly Fault[] }

const topRules = {
  acts: [
    ...['model_list', 'general_settings', 'router_settings', 'litellm_settings', 'environment_variables', 'include'],
    ...['classes', 'workers', 'retention'],
  ],
  accepted: acceptedTopLevel,
}

/**
 * Makes the configuration, or names everything that is wrong with it. Pure, and never throws. A file without
 * `model_list` and no `detected` gives a configuration without deployments: the caller may then detect, and ask again.
 */
export function parseConfig(input: ConfigInput): ConfigResult {
  const faults: Fault[] = []
  const tree = input.source === undefined ? null : parseTree(input.source.file, input.source.text, faults)
  if (faults.length > 0) return { kind: 'invalid', faults }

  const readFile = input.readFile ?? (() => null)
  const bare: References = { env: input.env, defaults: new Map(), readFile }
  const references: References = { ...bare, defaults: readVariables(tree, createReader(bare, faults)) }
  const reader = createReader(references, faults)
  const variable = createVariableReader(references, faults)

  const top = readTop(tree, reader)
  const declared = readModelList(top.get('model_list'), reader, variable)
  const settings = readSettings(top, reader)
  const detected = (top.get('model_list') === undefined && input.detected) || []
  const drafts = [...declared, ...draftDetected(detected, variable)]
  const masterKey = variable(['INFERQ_MASTER_KEY', 'LITELLM_MASTER_KEY'])
  if (faults.length === 0) checkNames(drafts, settings, reader)
  if (faults.length > 0) return { kind: 'invalid', faults: inFileOrder(faults) }
  return { kind: 'config', config: freeze(assemble(drafts, settings, { masterKey, unused: reader.unused })) }
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

function readTop(tree: Tree | null, reader: Reader): ReadonlyMap<string, Tree> {
  if (tree === null) return new Map()
  const top = reader.section(tree, topRules) ?? new Map<string, Tree>()
  const include = top.get('include')
  if (include) reader.fault(include, 'other files', 'everything in one file', 'include is not supported yet')
  return top
}

function readModelList(
  tree: Tree | undefined,
  reader: Reader,
  variable: (names: readonly string[]) => string | undefined,
): DeploymentDraft[] {
  if (tree === undefined) return []
  const entries = reader.list(tree)
  if (entries?.length === 0 || (tree.kind === 'scalar' && tree.value === null)) {
    reader.fault(tree, 'an empty model_list', 'at least one model, or no model_list at all')
  }
  return (entries ?? []).flatMap((entry) => readDeployment(entry, reader, { variable }) ?? [])
}

/** What one section says about another: names that have to exist. */
function checkNames(drafts: readonly DeploymentDraft[], settings: Settings, reader: Reader): void {
  if (drafts.length === 0) return
  const classes = [...new Set(drafts.map(classOf))]
  for (const [name, { place }] of settings.classes) {
    if (classes.includes(name)) continue
    reader.fault(place, 'a class that no model has', `one of ${classes.join(', ')}`, didYouMean(name, classes))
  }
  const models = [...new Set(drafts.map((draft) => draft.model))]
  const { defaultModel } = settings
  if (defaultModel === undefined || models.includes(defaultModel.name)) return
  reader.fault(
    defaultModel.place,
    `"${defaultModel.name}"`,
    `one of ${models.join(', ')}`,
    didYouMean(defaultModel.name, models),
  )
}

/** Gives the first of some variables that is set; one that is set wrongly is a fault, once. */
function createVariableReader(
  references: References,
  faults: Fault[],
): (names: readonly string[]) => string | undefined {
  const told = new Set<string>()
  return (names) => {
    for (const name of names) {
      const found = lookUp(name, references)
      if (found.kind === 'value') return found.text
      if (found.kind === 'missing' || told.has(name)) continue
      told.add(name)
      faults.push({ file: 'environment', line: 0, key: name, found: found.what, expected: 'one value, or none' })
    }
    return undefined
  }
}

function inFileOrder(faults: readonly Fault[]): Fault[] {
  return [...faults].sort((a, b) => a.line - b.line)
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
