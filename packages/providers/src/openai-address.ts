import { familyOf, type ProviderQuirks } from '@inferq/config'
import type { Upstream } from './port.ts'

export type OpenAIRoute = 'chat/completions' | 'completions' | 'embeddings' | 'models'

type Target = Pick<Upstream, 'provider' | 'baseUrl' | 'credentials'>

/** How a provider departs from its wire; a name that no family has departs in nothing. */
export function quirksOf(provider: string): ProviderQuirks {
  return familyOf(provider)?.quirks ?? {}
}

/** The path and query of a route, below the origin of the base URL. `model` is only in Azure's. */
export function openAIPath(target: Target, route: OpenAIRoute, model: string): string {
  const { path } = quirksOf(target.provider)
  if (path === 'azure') return azurePath(target, route, model)
  if (path === 'azure_ai') return azureAiPath(target, route)
  return `${openAIBasePath(target)}/${route}`
}

/** Where a given beginning of an answer is continued; undefined where this base URL has no such place. */
export function continuationPath(target: Target, model: string): string | undefined {
  const { continues, continuesAt } = quirksOf(target.provider)
  if (continues === undefined) return undefined
  if (continuesAt === undefined) return openAIPath(target, 'chat/completions', model)
  // The provider's own paths are known to have a neighbour that continues; those of something in between are not.
  const path = pathOf(target.baseUrl)
  return path === '' || path === '/v1' || path === continuesAt ? `${continuesAt}/chat/completions` : undefined
}

/** The path of the API below the origin: `/v1` unless the base URL, or the provider's own, has another. */
function openAIBasePath(target: Pick<Upstream, 'provider' | 'baseUrl'>): string {
  const path = pathOf(target.baseUrl)
  const family = familyOf(target.provider)
  if (path === '') return family?.baseUrl !== undefined && pathOf(family.baseUrl) === '' ? '' : '/v1'
  // vLLM behind a prefix: its API is always below /v1.
  return family?.wire === 'vllm' && !path.endsWith('/v1') ? `${path}/v1` : path
}

/** The first version that knows `stream_options`: https://learn.microsoft.com/azure/ai-services/openai/api-version-deprecation */
const azureStreamOptionsSince = '2024-09-01'

/** Usage of a stream has to be asked for, and can be. */
export function takesStreamOptions(target: Target): boolean {
  const quirks = quirksOf(target.provider)
  if (quirks.noStreamOptions) return false
  const version = target.credentials?.['api_version'] ?? ''
  const isDated = quirks.path === 'azure' && /^\d{4}-\d\d-\d\d/.test(version) && !isAzureV1(target)
  return !isDated || version.slice(0, 10) >= azureStreamOptionsSince
}

/**
 * `/openai/deployments/{deployment}/{route}?api-version=…`, or `/openai/v1/{route}` where the base URL or the version says so.
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */
function azurePath(target: Target, route: OpenAIRoute, model: string): string {
  const path = pathOf(target.baseUrl)
  const version = target.credentials?.['api_version'] ?? ''
  if (isAzureV1(target)) {
    const base = path.endsWith('/openai/v1') ? path : `${path}/openai/v1`
    return `${base}/${route}${version === 'preview' ? '?api-version=preview' : ''}`
  }
  const namesDeployment = /\/openai\/deployments\/[^/]+$/.test(path)
  const deployment = namesDeployment ? path : `${path}/openai/deployments/${encodeURIComponent(model)}`
  return `${deployment}/${route}?api-version=${encodeURIComponent(version)}`
}

function isAzureV1(target: Target): boolean {
  const version = target.credentials?.['api_version'] ?? ''
  return pathOf(target.baseUrl).endsWith('/openai/v1') || ['v1', 'latest', 'preview'].includes(version)
}

// Of the model inference API of Azure AI Foundry.
const azureAiVersion = '2024-05-01-preview'

/** Foundry's `/models/{route}?api-version=…`, or the plain `/v1` of a model served by itself. */
function azureAiPath(target: Target, route: OpenAIRoute): string {
  const { hostname } = new URL(target.baseUrl)
  const path = pathOf(target.baseUrl) || (hostname.endsWith('.services.ai.azure.com') ? '/models' : '/v1')
  const version = target.credentials?.['api_version'] ?? (path.endsWith('/models') ? azureAiVersion : undefined)
  return `${path}/${route}${version === undefined ? '' : `?api-version=${encodeURIComponent(version)}`}`
}

function pathOf(baseUrl: string): string {
  return new URL(baseUrl).pathname.replace(/\/+$/, '')
}
