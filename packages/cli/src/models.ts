import { type DetectedBackend, familyOf } from '@inferq/config'
import { detectBackends } from './detect-backends.ts'
import { CommandError, exitCodes } from './exit-codes.ts'
import { type LoadedConfig, loadConfigAtStart } from './load-config.ts'
import type { Variables } from './settings.ts'

/** In the environment of a child: what its parent has detected, so that both serve the same models. Holds no secret. */
export const detectedVariable = 'INFERQ_DETECTED'

export interface ConfigWithModels extends LoadedConfig {
  /** What serves where the file declares no models, at every later reading too. */
  readonly detected: readonly DetectedBackend[]
}

/**
 * The configuration with models to serve: from the file, from the parent process, or detected now. A file without any is
 * taken as it is: models may be added at run time. Throws CommandError 3 when there is neither.
 */
export async function loadConfigWithModels(file: string | undefined, variables: Variables): Promise<ConfigWithModels> {
  const handedDown = readHandedDown(variables) ?? []
  const loaded = loadConfigAtStart({ file, variables, detected: handedDown })
  if (loaded.config.deployments.length > 0) return { ...loaded, detected: handedDown }
  const { found, missing } = await detectBackends(variables)
  if (found.length > 0) return { ...loadConfigAtStart({ file, variables, detected: found }), detected: found }
  if (loaded.file !== undefined) return { ...loaded, detected: [] }
  const tried = missing.map(({ variable, baseUrl, reason }) => `\n  ${variable}: ${baseUrl}: ${reason}`).join('')
  throw new CommandError(
    exitCodes.configInvalid,
    `there is no model to serve: no file with a model_list, and no backend found${tried}`,
    'name a file with --config, or a backend with OLLAMA_BASE_URL, VLLM_BASE_URL, OPENAI_API_KEY or another key',
  )
}

function readHandedDown(variables: Variables): readonly DetectedBackend[] | undefined {
  const text = variables[detectedVariable]
  if (text === undefined || text === '') return undefined
  try {
    const parsed: unknown = JSON.parse(text)
    if (Array.isArray(parsed) && parsed.every(isDetectedBackend)) return parsed
  } catch {
    // As below.
  }
  throw new CommandError(exitCodes.configInvalid, `${detectedVariable} is not what a parent process writes`, 'unset it')
}

function isDetectedBackend(value: unknown): value is DetectedBackend {
  if (typeof value !== 'object' || value === null) return false
  const { provider, baseUrl, models } = value as Record<string, unknown>
  const known = typeof provider === 'string' && familyOf(provider) !== undefined
  return known && typeof baseUrl === 'string' && URL.canParse(baseUrl) && Array.isArray(models)
}
