import type { DetectedBackend } from '@inferq/config'
import { detectBackends } from './detect-backends.ts'
import { CommandError, exitCodes } from './exit-codes.ts'
import { type LoadedConfig, loadConfig } from './load-config.ts'
import type { Variables } from './settings.ts'

/** In the environment of a child: what its parent has detected, so that both serve the same models. Holds no secret. */
export const detectedVariable = 'INFERQ_DETECTED'

/** The configuration with models to serve: from the file, from the parent process, or detected now. Throws CommandError 3. */
export async function loadConfigWithModels(file: string | undefined, variables: Variables): Promise<LoadedConfig> {
  const handedDown = readHandedDown(variables)
  const loaded = loadConfig({ file, variables, ...(handedDown === undefined ? {} : { detected: handedDown }) })
  if (loaded.config.deployments.length > 0) return loaded
  const { found, missing } = await detectBackends(variables)
  if (found.length > 0) return loadConfig({ file, variables, detected: found })
  const tried = missing.map(({ variable, baseUrl, reason }) => `\n  ${variable}: ${baseUrl}: ${reason}`).join('')
  throw new CommandError(
    exitCodes.configInvalid,
    `there is no model to serve: no file with a model_list, and no backend found${tried}`,
    'name a file with --config, or a backend with OLLAMA_BASE_URL, VLLM_BASE_URL or OPENAI_API_KEY',
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
  const known = provider === 'openai' || provider === 'vllm' || provider === 'ollama'
  return known && typeof baseUrl === 'string' && URL.canParse(baseUrl) && Array.isArray(models)
}
