/** What the models cost, nano-USD a token. */
export const prices: ReadonlyMap<string, { readonly input: number; readonly output: number }> = new Map([
  ['chat', { input: 1_000, output: 4_000 }],
  ['spare', { input: 2_000, output: 6_000 }],
  ['embed', { input: 100, output: 0 }],
  ['cloud', { input: 3_000, output: 15_000 }],
])

/**
 * As users run it, but for what would make a run long: a worker lets its jobs go on for three seconds, a circuit stays open
 * for two, an upstream that hangs is given up after five seconds before the first token and twenty behind it.
 * Each model has a class of its own (`cloud`: the provider's), and the upstream knows it under the same name.
 */
export const defaultConfig = `
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1", ${costs('chat')}}
  - model_name: spare
    litellm_params: {model: vllm/spare, api_base: "\${SIMULATOR}/v1", ${costs('spare')}}
  - model_name: embed
    litellm_params: {model: vllm/embed, api_base: "\${SIMULATOR}/v1", ${costs('embed')}}
    model_info: {mode: embedding}
  - model_name: cloud
    litellm_params: {model: openai/cloud, api_base: "\${SIMULATOR}/v1", api_key: unused, ${costs('cloud')}}
router_settings:
  fallbacks: [{chat: [spare]}]
  timeout: 20
  stream_timeout: 5
breaker: {cooldown_s: 2}
workers: {drain_s: 3}
`

function costs(model: string): string {
  const { input = 0, output = 0 } = prices.get(model) ?? {}
  return `input_cost_per_token: ${input}e-9, output_cost_per_token: ${output}e-9`
}
