import { cloud, family } from './build.ts'
import type { ProviderFamily } from './family.ts'

/**
 * The o series and what came after refuse `max_tokens`; everything else takes either.
 * https://platform.openai.com/docs/api-reference/chat/create#chat-create-max_tokens
 */
const maxTokens = {
  maxTokensField: 'max_completion_tokens',
  maxTokensFieldModels: /^(o[1-9]|gpt-5)/,
  // A reasoning model thinks before it answers: with less it may refuse to answer at all.
  minMaxTokens: 16,
} as const

/**
 * OpenAI itself, and "some server that speaks OpenAI's wire" under LiteLLM's names for that: with a base URL of its own it
 * may be anything, so that only what all of them take is sent.
 */
export const openaiFamilies: readonly ProviderFamily[] = [
  cloud('openai', 'https://api.openai.com/v1', ['OPENAI_API_KEY'], {
    baseVariables: ['OPENAI_BASE_URL', 'OPENAI_API_BASE'],
    prefixes: ['text-completion-openai', 'custom_openai'],
    domains: ['api.openai.com'],
    credentials: { organization: { variables: ['OPENAI_ORGANIZATION', 'OPENAI_ORG_ID'], required: false } },
    quirks: maxTokens,
  }),
  {
    ...family('openai_like', ['OPENAI_LIKE_API_KEY'], { baseVariables: ['OPENAI_LIKE_API_BASE'] }),
    wire: 'openai',
    needsKey: false,
    isLocal: false,
  },
]

const azureToken = { variables: ['AZURE_AD_TOKEN'], required: false, proof: 'needed' } as const

/**
 * https://learn.microsoft.com/azure/ai-foundry/openai/reference: `/openai/deployments/{deployment}/…?api-version=…`, or
 * `/openai/v1/…` without a version; the key in `api-key`.
 */
export const azureFamilies: readonly ProviderFamily[] = [
  {
    ...family('azure', ['AZURE_API_KEY', 'AZURE_OPENAI_API_KEY'], {
      baseVariables: ['AZURE_API_BASE', 'AZURE_OPENAI_ENDPOINT'],
      prefixes: ['azure_text'],
      credentials: {
        api_version: { variables: ['AZURE_API_VERSION', 'OPENAI_API_VERSION'], required: true, default: '2024-10-21' },
        azure_ad_token: azureToken,
      },
      quirks: { keyHeader: 'api-key', path: 'azure', noModelList: true, ...maxTokens },
    }),
    wire: 'openai',
    needsKey: true,
    isLocal: false,
  },
  {
    ...family('azure_ai', ['AZURE_AI_API_KEY'], {
      baseVariables: ['AZURE_AI_API_BASE'],
      credentials: {
        api_version: { variables: ['AZURE_AI_API_VERSION'], required: false },
        azure_ad_token: azureToken,
      },
      quirks: { keyHeader: 'api-key', path: 'azure_ai', noModelList: true },
    }),
    wire: 'openai',
    needsKey: true,
    isLocal: false,
  },
]
