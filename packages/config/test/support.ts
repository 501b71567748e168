import { type ConfigInput, formatFault, type InferqConfig, parseConfig } from '../src/index.ts'

type Rest = Omit<Partial<ConfigInput>, 'source'>

/** The configuration that a text gives; throws with its faults when it gives none. */
export function load(text: string, rest: Rest = {}): InferqConfig {
  const result = parseConfig({ source: { file: 'inferq.yaml', text }, env: {}, ...rest })
  if (result.kind === 'invalid') throw new Error(result.faults.map(formatFault).join('\n'))
  return result.config
}

/** The faults of a text, as people read them. */
export function faultsOf(text: string, rest: Rest = {}): string[] {
  const result = parseConfig({ source: { file: 'f', text }, env: {}, ...rest })
  return result.kind === 'invalid' ? result.faults.map(formatFault) : []
}

/** A `model_list` of local models with these names. */
export function models(...names: readonly string[]): string {
  return `model_list:\n${names.map((name) => `  - {model_name: "${name}", litellm_params: {model: ollama/x}}\n`).join('')}`
}
