import type { Deployment, InferqConfig, ModelEntry } from '@inferq/config'
import { mask, maskParams } from './mask-params.ts'
import type { RegisteredModel } from './model-registry.ts'

/** LiteLLM's answer to `/model/new` and `/model/update`: the row as it is kept, secrets masked. */
export function viewOfRegistered(model: RegisteredModel): object {
  return {
    model_id: model.id,
    model_name: model.modelName,
    litellm_params: maskParams(model.litellmParams),
    model_info: { ...model.modelInfo, id: model.id, db_model: true },
    created_at: new Date(model.createdAt).toISOString(),
    created_by: model.createdBy,
    updated_at: new Date(model.updatedAt).toISOString(),
  }
}

/** One entry of LiteLLM's `GET /model/info`: a deployment as it serves, with what is known of its model. */
export function viewOfDeployment(deployment: Deployment): object {
  const { id, model, provider, upstreamModel, baseUrl, apiKey, timeouts, weight, order, tags, limits } = deployment
  const { rpm, tpm, maxParallel } = limits
  return {
    model_name: model,
    litellm_params: {
      ...maskParams(deployment.defaults),
      model: `${provider}/${upstreamModel}`,
      custom_llm_provider: provider,
      ...maskParams({ api_base: baseUrl }),
      ...(apiKey === undefined ? {} : { api_key: mask }),
      ...Object.fromEntries(Object.keys(deployment.credentials).map((name) => [name, mask])),
      timeout: timeouts.totalMs / 1000,
      stream_timeout: timeouts.firstTokenMs / 1000,
      weight,
      ...defined({ order, rpm, tpm, max_parallel_requests: maxParallel }),
      ...(tags.length === 0 ? {} : { tags }),
    },
    model_info: {
      ...deployment.info,
      id,
      db_model: deployment.source === 'database',
      source: deployment.source,
      litellm_provider: provider,
      class: deployment.class,
      ...factsOf(deployment),
    },
  }
}

/** One entry of LiteLLM's `GET /model_group/info`: of numbers the largest of the group, of abilities any, of limits the sum. */
export function viewOfGroup({ name, deployments }: ModelEntry): object {
  const facts = deployments.map(factsOf)
  const largest = (key: keyof Facts): number | null => {
    const numbers = facts.map((one) => one[key]).filter((value) => typeof value === 'number')
    return numbers.length === 0 ? null : Math.max(...numbers)
  }
  const any = (key: keyof Facts): boolean => facts.some((one) => one[key] === true)
  const sum = (limits: readonly (number | undefined)[]): number | null => {
    const known = limits.filter((limit) => limit !== undefined)
    return known.length === 0 ? null : known.reduce((total, limit) => total + limit, 0)
  }
  return {
    model_group: name,
    providers: [...new Set(deployments.map(({ provider }) => provider))],
    mode: facts.find((one) => one.mode !== null)?.mode ?? null,
    max_input_tokens: largest('max_input_tokens'),
    max_output_tokens: largest('max_output_tokens'),
    input_cost_per_token: largest('input_cost_per_token'),
    output_cost_per_token: largest('output_cost_per_token'),
    tpm: sum(deployments.map(({ limits }) => limits.tpm)),
    rpm: sum(deployments.map(({ limits }) => limits.rpm)),
    supports_vision: any('supports_vision'),
    supports_function_calling: any('supports_function_calling'),
    supports_response_schema: any('supports_response_schema'),
    supports_reasoning: any('supports_reasoning'),
    supports_audio_input: any('supports_audio_input'),
    supports_pdf_input: any('supports_pdf_input'),
  }
}

/** The groups, or the one that is asked for by name. */
export function groupsOf(config: InferqConfig, name: string | undefined): readonly ModelEntry[] {
  return name === undefined ? config.models : config.models.filter((model) => model.name === name)
}

interface Facts {
  readonly mode: string | null
  readonly max_tokens: number | null
  readonly max_input_tokens: number | null
  readonly max_output_tokens: number | null
  /** In USD; null: not known. */
  readonly input_cost_per_token: number | null
  readonly output_cost_per_token: number | null
  readonly cache_read_input_token_cost: number | null
  readonly supports_vision: boolean | null
  readonly supports_function_calling: boolean | null
  readonly supports_response_schema: boolean | null
  readonly supports_reasoning: boolean | null
  readonly supports_audio_input: boolean | null
  readonly supports_pdf_input: boolean | null
}

/** LiteLLM's names of what is known. Null: not known. Its `max_tokens` is the longest answer where that is known. */
function factsOf(deployment: Deployment): Facts {
  const { price, contextWindow = null, maxOutputTokens = null, capabilities, mode = null } = deployment
  const { vision = null, tools = null, jsonSchema = null, reasoning = null, audio = null, pdf = null } = capabilities
  return {
    mode,
    max_tokens: maxOutputTokens ?? contextWindow,
    max_input_tokens: contextWindow,
    max_output_tokens: maxOutputTokens,
    input_cost_per_token: usd(price?.inputPicoUsd),
    output_cost_per_token: usd(price?.outputPicoUsd),
    cache_read_input_token_cost: usd(price?.cachedInputPicoUsd),
    supports_vision: vision,
    supports_function_calling: tools,
    supports_response_schema: jsonSchema,
    supports_reasoning: reasoning,
    supports_audio_input: audio,
    supports_pdf_input: pdf,
  }
}

/** Division by a power of ten gives the number nearest to the decimal. */
function usd(picoUsd: number | undefined): number | null {
  return picoUsd === undefined ? null : picoUsd / 1e12
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
}
