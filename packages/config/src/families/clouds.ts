import { cloud, family } from './build.ts'
import type { ProviderFamily, ProviderQuirks } from './family.ts'

/**
 * Mistral checks bodies strictly and answers 422 ("Extra inputs are not permitted") for what it does not know. What only
 * describes a request is left out; what would change the answer is sent, so that the refusal is seen.
 * https://docs.mistral.ai/api/ and https://docs.mistral.ai/guides/prefix/
 */
const mistral: ProviderQuirks = {
  noStreamOptions: true,
  maxTokensField: 'max_tokens',
  renameFields: { seed: 'random_seed' },
  dropFields: ['user', 'store', 'safety_identifier', 'prompt_cache_key'],
  dropMessageFields: ['reasoning_content', 'refusal', 'annotations'],
  continues: 'prefix_flag',
  echoesPrefix: true,
}

/** Services that speak OpenAI's wire. Names and variables: https://docs.litellm.ai/docs/providers */
export const cloudFamilies: readonly ProviderFamily[] = [
  cloud(
    'together_ai',
    'https://api.together.xyz/v1',
    ['TOGETHER_API_KEY', 'TOGETHER_AI_API_KEY', 'TOGETHERAI_API_KEY', 'TOGETHER_AI_TOKEN'],
    { baseVariables: ['TOGETHER_AI_API_BASE'], domains: ['together.xyz', 'together.ai'] },
  ),
  cloud('deepseek', 'https://api.deepseek.com', ['DEEPSEEK_API_KEY'], {
    baseVariables: ['DEEPSEEK_API_BASE'],
    // https://api-docs.deepseek.com/guides/chat_prefix_completion
    quirks: { continues: 'prefix_flag', continuesAt: '/beta' },
  }),
  cloud('groq', 'https://api.groq.com/openai/v1', ['GROQ_API_KEY'], {
    baseVariables: ['GROQ_API_BASE'],
    // https://console.groq.com/docs/openai#currently-unsupported-openai-features
    quirks: { dropMessageFields: ['name'] },
  }),
  cloud('mistral', 'https://api.mistral.ai/v1', ['MISTRAL_API_KEY'], {
    baseVariables: ['MISTRAL_API_BASE'],
    quirks: mistral,
  }),
  cloud('codestral', 'https://codestral.mistral.ai/v1', ['CODESTRAL_API_KEY'], {
    baseVariables: ['CODESTRAL_API_BASE'],
    quirks: { ...mistral, noModelList: true },
  }),
  cloud(
    'fireworks_ai',
    'https://api.fireworks.ai/inference/v1',
    ['FIREWORKS_API_KEY', 'FIREWORKS_AI_API_KEY', 'FIREWORKSAI_API_KEY', 'FIREWORKS_AI_TOKEN'],
    { baseVariables: ['FIREWORKS_API_BASE'] },
  ),
  cloud('openrouter', 'https://openrouter.ai/api/v1', ['OPENROUTER_API_KEY', 'OR_API_KEY'], {
    baseVariables: ['OPENROUTER_API_BASE'],
    // https://openrouter.ai/docs/features/prompt-caching
    quirks: { keepsClaudeFields: true },
  }),
  cloud('xai', 'https://api.x.ai/v1', ['XAI_API_KEY'], { baseVariables: ['XAI_API_BASE'] }),
  // Its routes have no version in front: https://docs.perplexity.ai/api-reference/chat-completions-post
  cloud('perplexity', 'https://api.perplexity.ai', ['PERPLEXITYAI_API_KEY', 'PERPLEXITY_API_KEY'], {
    baseVariables: ['PERPLEXITY_API_BASE'],
    quirks: { noModelList: true },
  }),
  cloud('deepinfra', 'https://api.deepinfra.com/v1/openai', ['DEEPINFRA_API_KEY'], {
    baseVariables: ['DEEPINFRA_API_BASE'],
  }),
  cloud('cerebras', 'https://api.cerebras.ai/v1', ['CEREBRAS_API_KEY'], { baseVariables: ['CEREBRAS_API_BASE'] }),
  cloud('nvidia_nim', 'https://integrate.api.nvidia.com/v1', ['NVIDIA_NIM_API_KEY', 'NVIDIA_API_KEY'], {
    baseVariables: ['NVIDIA_NIM_API_BASE'],
  }),
  cloud('sambanova', 'https://api.sambanova.ai/v1', ['SAMBANOVA_API_KEY'], { baseVariables: ['SAMBANOVA_API_BASE'] }),
  cloud('hyperbolic', 'https://api.hyperbolic.xyz/v1', ['HYPERBOLIC_API_KEY'], {
    baseVariables: ['HYPERBOLIC_API_BASE'],
  }),
  cloud('novita', 'https://api.novita.ai/openai', ['NOVITA_API_KEY'], { baseVariables: ['NOVITA_API_BASE'] }),
  cloud('nebius', 'https://api.tokenfactory.nebius.com/v1', ['NEBIUS_API_KEY'], {
    baseVariables: ['NEBIUS_API_BASE'],
    domains: ['studio.nebius.ai', 'studio.nebius.com'],
  }),
  cloud('moonshot', 'https://api.moonshot.ai/v1', ['MOONSHOT_API_KEY'], {
    baseVariables: ['MOONSHOT_API_BASE'],
    domains: ['moonshot.ai', 'moonshot.cn'],
  }),
  cloud('dashscope', 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1', ['DASHSCOPE_API_KEY'], {
    baseVariables: ['DASHSCOPE_API_BASE'],
    domains: ['dashscope.aliyuncs.com', 'dashscope-us.aliyuncs.com'],
  }),
  cloud('ai21', 'https://api.ai21.com/studio/v1', ['AI21_API_KEY'], {
    prefixes: ['ai21_chat'],
    baseVariables: ['AI21_API_BASE'],
    quirks: { noModelList: true },
  }),
  cloud('github', 'https://models.github.ai/inference', ['GITHUB_API_KEY'], {
    baseVariables: ['GITHUB_API_BASE'],
    domains: ['models.inference.ai.azure.com'],
    quirks: { noModelList: true },
  }),
  cloud('huggingface', 'https://router.huggingface.co/v1', ['HF_TOKEN', 'HUGGINGFACE_API_KEY'], {
    baseVariables: ['HF_API_BASE', 'HUGGINGFACE_API_BASE'],
    domains: ['huggingface.co', 'huggingface.cloud'],
  }),
  cloud('lambda_ai', 'https://api.lambda.ai/v1', ['LAMBDA_API_KEY'], { baseVariables: ['LAMBDA_API_BASE'] }),
  cloud('meta_llama', 'https://api.llama.com/compat/v1', ['LLAMA_API_KEY'], { baseVariables: ['LLAMA_API_BASE'] }),
  cloud('v0', 'https://api.v0.dev/v1', ['V0_API_KEY'], { baseVariables: ['V0_API_BASE'] }),
  cloud(
    'vercel_ai_gateway',
    'https://ai-gateway.vercel.sh/v1',
    ['VERCEL_AI_GATEWAY_API_KEY', 'AI_GATEWAY_API_KEY', 'VERCEL_OIDC_TOKEN'],
    { baseVariables: ['VERCEL_AI_GATEWAY_API_BASE'], quirks: { keepsClaudeFields: true } },
  ),
  cloud('zai', 'https://api.z.ai/api/paas/v4', ['ZAI_API_KEY'], { baseVariables: ['ZAI_API_BASE'] }),
  cloud('minimax', 'https://api.minimax.io/v1', ['MINIMAX_API_KEY'], {
    baseVariables: ['MINIMAX_API_BASE'],
    domains: ['minimax.io', 'minimaxi.com'],
  }),
  cloud('featherless_ai', 'https://api.featherless.ai/v1', ['FEATHERLESS_AI_API_KEY', 'FEATHERLESS_API_KEY'], {
    baseVariables: ['FEATHERLESS_AI_API_BASE', 'FEATHERLESS_API_BASE'],
  }),
  cloud('friendliai', 'https://api.friendli.ai/serverless/v1', ['FRIENDLIAI_API_KEY', 'FRIENDLI_TOKEN'], {
    baseVariables: ['FRIENDLI_API_BASE'],
  }),
  // The service is gone; what is left of it runs where `api_base` says.
  {
    ...family('anyscale', ['ANYSCALE_API_KEY'], { baseVariables: ['ANYSCALE_API_BASE'] }),
    wire: 'openai',
    needsKey: true,
    isLocal: false,
  },
  {
    ...family('litellm_proxy', ['LITELLM_PROXY_API_KEY'], {
      baseVariables: ['LITELLM_PROXY_API_BASE'],
      quirks: { keepsClaudeFields: true },
    }),
    wire: 'openai',
    needsKey: false,
    isLocal: false,
  },
]
