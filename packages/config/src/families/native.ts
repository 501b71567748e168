import { family } from './build.ts'
import type { ProviderFamily } from './family.ts'

/** Providers with a wire of their own. */
export const nativeFamilies: readonly ProviderFamily[] = [
  {
    ...family('anthropic', ['ANTHROPIC_API_KEY'], {
      baseVariables: ['ANTHROPIC_API_BASE', 'ANTHROPIC_BASE_URL'],
      // Claude goes on after a trailing assistant message, up to 4.5: the adapter knows which models do.
      quirks: { keyHeader: 'x-api-key', continues: 'trailing_message' },
    }),
    wire: 'anthropic',
    baseUrl: 'https://api.anthropic.com/v1',
    needsKey: true,
    isLocal: false,
  },
  {
    ...family('gemini', ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'], {
      prefixes: ['google', 'google_ai_studio'],
      baseVariables: ['GEMINI_API_BASE'],
      quirks: { keyHeader: 'x-goog-api-key' },
    }),
    wire: 'gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    needsKey: true,
    isLocal: false,
  },
  {
    ...family('bedrock', ['AWS_BEARER_TOKEN_BEDROCK'], {
      prefixes: ['bedrock_converse'],
      baseVariables: ['AWS_BEDROCK_RUNTIME_ENDPOINT'],
      domains: ['bedrock-runtime-fips.{aws_region_name}.amazonaws.com', 'vpce.amazonaws.com'],
      credentials: {
        aws_region_name: { variables: ['AWS_REGION_NAME', 'AWS_REGION', 'AWS_DEFAULT_REGION'], required: true },
        aws_access_key_id: { variables: ['AWS_ACCESS_KEY_ID'], required: false, proof: 'needed' },
        aws_secret_access_key: { variables: ['AWS_SECRET_ACCESS_KEY'], required: false, proof: 'needed' },
        aws_session_token: { variables: ['AWS_SESSION_TOKEN'], required: false, proof: 'extra' },
        aws_bedrock_runtime_endpoint: { variables: [], required: false },
      },
    }),
    wire: 'bedrock',
    baseUrl: 'https://bedrock-runtime.{aws_region_name}.amazonaws.com',
    needsKey: true,
    isLocal: false,
  },
  {
    ...family('cohere', ['COHERE_API_KEY', 'CO_API_KEY'], {
      prefixes: ['cohere_chat'],
      baseVariables: ['COHERE_API_BASE'],
      domains: ['api.cohere.com', 'api.cohere.ai'],
    }),
    wire: 'cohere',
    baseUrl: 'https://api.cohere.com/v2',
    needsKey: true,
    isLocal: false,
  },
]
