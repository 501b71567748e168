import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ProviderFamily } from '../src/families/family.ts'
import { familyOf, providerFamilies } from '../src/families/index.ts'
import { endpointOf, normalBaseUrl, type OwnEndpoint, parseUpstreamModel } from '../src/upstream.ts'

function family(name: string): ProviderFamily {
  const found = familyOf(name)
  if (found === undefined) throw new Error(`no family ${name}`)
  return found
}

function environment(values: Readonly<Record<string, string>>) {
  return (names: readonly string[]) => names.map((name) => values[name]).find((value) => value !== undefined)
}

/** What a model's name means, in short: `provider name`. */
function meaning(model: string, customProvider?: string): string {
  const upstream = parseUpstreamModel(model, customProvider)
  switch (upstream.kind) {
    case 'known':
      return `${upstream.family.name} ${upstream.name}`
    case 'unsupported':
      return `unsupported ${upstream.provider}`
    case 'unknown':
      return `unknown ${upstream.prefix}${upstream.meant === null ? '' : `, meant ${upstream.meant}`}`
    case 'bare':
      return `bare${upstream.meant === null ? '' : `, meant ${upstream.meant}`}`
    default:
      return upstream satisfies never
  }
}

describe('a model of the upstream', () => {
  it.each([
    ['openai/gpt-4o', 'openai gpt-4o'],
    ['text-completion-openai/gpt-3.5-turbo-instruct', 'openai gpt-3.5-turbo-instruct'],
    ['custom_openai/anything', 'openai anything'],
    ['openai_like/anything', 'openai_like anything'],
    ['azure/my-deployment', 'azure my-deployment'],
    ['azure/o_series/my-deployment', 'azure my-deployment'],
    ['azure_ai/Llama-3.3-70B-Instruct', 'azure_ai Llama-3.3-70B-Instruct'],
    ['together_ai/deepseek-ai/DeepSeek-V3', 'together_ai deepseek-ai/DeepSeek-V3'],
    ['openrouter/anthropic/claude-sonnet-4', 'openrouter anthropic/claude-sonnet-4'],
    ['hosted_vllm/meta-llama/Llama-3.1-8B', 'vllm meta-llama/Llama-3.1-8B'],
    ['ollama_chat/llama3.1:8b', 'ollama llama3.1:8b'],
    ['ollama/hf.co/unsloth/gemma:Q4', 'ollama hf.co/unsloth/gemma:Q4'],
    ['google/gemini-2.5-pro', 'gemini gemini-2.5-pro'],
    ['google_ai_studio/gemini-2.5-pro', 'gemini gemini-2.5-pro'],
    ['bedrock/anthropic.claude-3-haiku-20240307-v1:0', 'bedrock anthropic.claude-3-haiku-20240307-v1:0'],
    ['bedrock/converse/us.amazon.nova-lite-v1:0', 'bedrock us.amazon.nova-lite-v1:0'],
    ['cohere_chat/command-r', 'cohere command-r'],
    ['huggingface/together/deepseek-ai/DeepSeek-R1', 'huggingface deepseek-ai/DeepSeek-R1:together'],
    ['huggingface/meta-llama/Llama-3.3-70B-Instruct', 'huggingface meta-llama/Llama-3.3-70B-Instruct'],
    ['llama_cpp/any', 'llama_cpp any'],
    ['openai/*', 'openai *'],
    ['*', 'openai *'],
    ['openai/', 'openai '],
    ['vertex_ai/gemini-2.5-pro', 'unsupported vertex_ai'],
    ['sagemaker/x', 'unsupported sagemaker'],
    ['watsonx/x', 'unsupported watsonx'],
    ['replicate/x/y', 'unsupported replicate'],
    ['opnai/gpt-4o', 'unknown opnai, meant openai'],
    ['meta-llama/Llama-3.1-8B', 'unknown meta-llama, meant meta_llama'],
    ['something/else', 'unknown something'],
  ])('written %s is %s', (model, expected) => {
    expect(meaning(model)).toBe(expected)
  })

  it.each([
    ['gpt-4o-mini', 'openai gpt-4o-mini'],
    ['o3', 'openai o3'],
    ['text-embedding-3-small', 'openai text-embedding-3-small'],
    ['ft:gpt-4o:acme::1', 'openai ft:gpt-4o:acme::1'],
    ['claude-sonnet-4-5', 'anthropic claude-sonnet-4-5'],
    ['gemini-2.5-flash', 'gemini gemini-2.5-flash'],
    ['command-a-03-2025', 'cohere command-a-03-2025'],
    ['mistral-large-latest', 'mistral mistral-large-latest'],
    ['open-mixtral-8x22b', 'mistral open-mixtral-8x22b'],
    ['codestral-latest', 'mistral codestral-latest'],
    ['deepseek-reasoner', 'deepseek deepseek-reasoner'],
    ['grok-4', 'xai grok-4'],
    ['sonar-pro', 'perplexity sonar-pro'],
    ['anthropic.claude-3-5-sonnet-20241022-v2:0', 'bedrock anthropic.claude-3-5-sonnet-20241022-v2:0'],
    ['eu.anthropic.claude-sonnet-4-20250514-v1:0', 'bedrock eu.anthropic.claude-sonnet-4-20250514-v1:0'],
    ['amazon.titan-embed-text-v2:0', 'bedrock amazon.titan-embed-text-v2:0'],
    ['meta.llama3-1-8b-instruct-v1:0', 'bedrock meta.llama3-1-8b-instruct-v1:0'],
    ['llama3.1', 'bare, meant ollama/llama3.1'],
    ['mistral:7b-instruct', 'bare, meant ollama/mistral:7b-instruct'],
    ['deepseek-r1:8b', 'bare, meant ollama/deepseek-r1:8b'],
    ['gpt-oss:20b', 'bare, meant ollama/gpt-oss:20b'],
    ['my-model', 'bare'],
    ['', 'bare'],
  ])('named %j alone is %s', (model, expected) => {
    expect(meaning(model)).toBe(expected)
  })

  it('has the provider that custom_llm_provider says, whatever its name looks like', () => {
    expect(meaning('gpt-4o', 'azure')).toBe('azure gpt-4o')
    expect(meaning('azure/gpt-4o', 'azure')).toBe('azure gpt-4o')
    expect(meaning('deepseek-ai/DeepSeek-V3', 'together_ai')).toBe('together_ai deepseek-ai/DeepSeek-V3')
    expect(meaning('x', 'nobody')).toBe('unknown nobody')
  })

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string(), { nil: undefined }), (model, provider) => {
        expect(['known', 'unsupported', 'unknown', 'bare']).toContain(parseUpstreamModel(model, provider).kind)
      }),
    )
  })
})

describe('a base URL', () => {
  it.each([
    ['openai', 'https://api.openai.com/v1/', 'https://api.openai.com/v1'],
    ['openai', 'http://127.0.0.1:9', 'http://127.0.0.1:9/v1'],
    ['openai', 'https://h/api/v3', 'https://h/api/v3'],
    ['openai', 'https://h/v1/chat/completions', 'https://h/v1'],
    ['openai', 'https://h/v1/embeddings/', 'https://h/v1'],
    ['groq', 'https://api.groq.com', 'https://api.groq.com/openai/v1'],
    ['deepseek', 'https://api.deepseek.com/', 'https://api.deepseek.com'],
    ['perplexity', 'https://api.perplexity.ai/chat/completions', 'https://api.perplexity.ai'],
    ['lm_studio', 'http://h:1234', 'http://h:1234/v1'],
    ['docker_model_runner', 'http://h:12434/engines/v1', 'http://h:12434/engines/v1'],
    ['vllm', 'http://h:8000', 'http://h:8000/v1'],
    ['vllm', 'http://h:8000/v1/', 'http://h:8000/v1'],
    ['ollama', 'http://h:11434/v1', 'http://h:11434'],
    ['ollama', 'http://h:11434/api/', 'http://h:11434'],
    ['ollama', 'http://h/box/api/chat', 'http://h/box'],
    ['azure', 'https://x.openai.azure.com/', 'https://x.openai.azure.com'],
    ['azure', 'https://x.openai.azure.com/openai', 'https://x.openai.azure.com'],
    ['azure', 'https://x.openai.azure.com/openai/v1/', 'https://x.openai.azure.com/openai/v1'],
    [
      'azure',
      'https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21',
      'https://x.openai.azure.com/openai/deployments/d',
    ],
    ['azure_ai', 'https://x.services.ai.azure.com/models/chat/completions', 'https://x.services.ai.azure.com/models'],
    ['anthropic', 'https://api.anthropic.com', 'https://api.anthropic.com/v1'],
    ['anthropic', 'https://api.anthropic.com/v1/messages', 'https://api.anthropic.com/v1'],
    ['gemini', 'https://generativelanguage.googleapis.com', 'https://generativelanguage.googleapis.com/v1beta'],
    [
      'gemini',
      'https://generativelanguage.googleapis.com/v1alpha',
      'https://generativelanguage.googleapis.com/v1alpha',
    ],
    ['cohere', 'https://api.cohere.ai/v1/chat', 'https://api.cohere.ai/v2'],
    ['cohere', 'https://api.cohere.com', 'https://api.cohere.com/v2'],
    [
      'bedrock',
      'https://bedrock-runtime.eu-central-1.amazonaws.com/',
      'https://bedrock-runtime.eu-central-1.amazonaws.com',
    ],
  ])('of %s, %s, is brought to %s', (name, url, expected) => {
    expect(normalBaseUrl(family(name), url)).toBe(expected)
    expect(normalBaseUrl(family(name), expected)).toBe(expected)
  })
})

describe('the endpoint of a deployment', () => {
  const of = (name: string, own: OwnEndpoint, values: Record<string, string> = {}) =>
    endpointOf(family(name), own, environment(values))

  it("is the provider's home with the key of the environment, LiteLLM's names first", () => {
    expect(of('together_ai', {}, { TOGETHER_AI_API_KEY: 'second', TOGETHER_API_KEY: 'first' })).toEqual({
      kind: 'endpoint',
      baseUrl: 'https://api.together.xyz/v1',
      apiKey: 'first',
      credentials: {},
    })
  })

  it('is what the entry says before what the environment says', () => {
    const values = { OPENAI_API_KEY: 'theirs', OPENAI_BASE_URL: 'https://there/v1', OPENAI_ORGANIZATION: 'org-2' }
    expect(of('openai', {}, values)).toMatchObject({ baseUrl: 'https://there/v1', apiKey: 'theirs' })
    const own = { baseUrl: 'https://here/v1', apiKey: 'ours', credentials: { organization: 'org-1' } }
    expect(of('openai', own, values)).toEqual({
      kind: 'endpoint',
      baseUrl: 'https://here/v1',
      apiKey: 'ours',
      credentials: { organization: 'org-1' },
    })
  })

  it.each([
    ['openai', 'https://proxy.example/v1', false],
    ['openai', 'https://api.openai.com.evil.example/v1', false],
    ['openai', 'https://evilapi.openai.com/v1', false],
    ['openai', 'http://api.openai.com/v1', false],
    ['openai', 'https://eu.api.openai.com/v1', true],
    ['groq', 'https://api.groq.com/openai/v1', true],
    ['groq', 'https://api.openai.com/v1', false],
    ['moonshot', 'https://api.moonshot.cn/v1', true],
    ['anthropic', 'https://proxy.example', false],
    ['anthropic', 'https://api.anthropic.com', true],
    ['vllm', 'http://gpu0:8000', true],
    ['lm_studio', 'https://studio.internal/v1', true],
    ['azure', 'https://x.openai.azure.com', true],
    ['openai_like', 'https://somewhere.example/v1', true],
  ])('of %s at its own base URL %s gets the key of the environment: %s', (name, baseUrl, expected) => {
    const endpoint = endpointOf(family(name), { baseUrl }, (names) =>
      names === family(name).keyVariables ? 'the-key' : undefined,
    )
    expect(endpoint).toMatchObject({ kind: 'endpoint' })
    expect(endpoint.kind === 'endpoint' && endpoint.apiKey === 'the-key').toBe(expected)
  })

  it('never gets a variable of another provider', () => {
    const others = (name: string) =>
      environment(
        Object.fromEntries(
          providerFamilies
            .filter((other) => other.name !== name)
            .flatMap((other) => other.keyVariables.map((variable) => [variable, 'stranger'])),
        ),
      )
    for (const one of providerFamilies) {
      const endpoint = endpointOf(one, { baseUrl: 'https://somewhere.example' }, others(one.name))
      expect(JSON.stringify(endpoint)).not.toContain('stranger')
    }
  })

  it('of Azure has a version, and a token may stand in for the key', () => {
    const baseUrl = 'https://x.openai.azure.com'
    expect(of('azure', { baseUrl, apiKey: 'k' })).toMatchObject({ credentials: { api_version: '2024-10-21' } })
    expect(of('azure', { baseUrl, apiKey: 'k' }, { AZURE_API_VERSION: '2025-01-01-preview' })).toMatchObject({
      credentials: { api_version: '2025-01-01-preview' },
    })
    expect(of('azure', { baseUrl, credentials: { azure_ad_token: 't' } }, { AZURE_API_KEY: 'k' })).toEqual({
      kind: 'endpoint',
      baseUrl,
      credentials: { api_version: '2024-10-21', azure_ad_token: 't' },
    })
    expect(of('azure', { baseUrl })).toEqual({
      kind: 'incomplete',
      found: 'a model of azure without a key',
      expected: 'api_key, azure_ad_token, or the environment variable AZURE_API_KEY or AZURE_OPENAI_API_KEY',
    })
  })

  it('of Bedrock lies in its region and takes a key or both of AWS’s, all from one place', () => {
    const keys = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_SESSION_TOKEN: 'session' }
    const region = { AWS_REGION: 'eu-central-1' }
    expect(of('bedrock', {}, { ...keys, ...region })).toEqual({
      kind: 'endpoint',
      baseUrl: 'https://bedrock-runtime.eu-central-1.amazonaws.com',
      credentials: {
        aws_region_name: 'eu-central-1',
        aws_access_key_id: 'id',
        aws_secret_access_key: 'secret',
        aws_session_token: 'session',
      },
    })
    expect(of('bedrock', {}, { ...region, AWS_BEARER_TOKEN_BEDROCK: 'bearer' })).toMatchObject({ apiKey: 'bearer' })
    const own = { aws_region_name: 'us-east-1', aws_access_key_id: 'own', aws_secret_access_key: 'own-secret' }
    expect(of('bedrock', { credentials: own }, { ...keys, ...region })).toEqual({
      kind: 'endpoint',
      baseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
      credentials: own,
    })
    const half = { aws_region_name: 'us-east-1', aws_access_key_id: 'own' }
    expect(of('bedrock', { credentials: half }, keys)).toMatchObject({ kind: 'incomplete' })
    expect(of('bedrock', {}, keys)).toEqual({
      kind: 'incomplete',
      found: 'a model of bedrock without aws_region_name',
      expected: 'aws_region_name, or the environment variable AWS_REGION_NAME or AWS_REGION or AWS_DEFAULT_REGION',
    })
  })

  it('of Bedrock sends nothing of the environment to a stranger, and may be named by its own parameter', () => {
    const values = {
      AWS_ACCESS_KEY_ID: 'id',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SESSION_TOKEN: 'session',
      AWS_REGION: 'r',
    }
    expect(of('bedrock', { baseUrl: 'https://proxy.example' }, values)).toEqual({
      kind: 'endpoint',
      baseUrl: 'https://proxy.example',
      credentials: { aws_region_name: 'r' },
    })
    const aws_bedrock_runtime_endpoint = 'https://vpce-1.bedrock-runtime.r.vpce.amazonaws.com'
    expect(of('bedrock', { credentials: { aws_bedrock_runtime_endpoint } }, values)).toMatchObject({
      baseUrl: aws_bedrock_runtime_endpoint,
      credentials: { aws_access_key_id: 'id', aws_session_token: 'session' },
    })
  })

  it.each([
    ['openai', {}, {}, 'a model of openai without a key', 'api_key, or the environment variable OPENAI_API_KEY'],
    ['groq', {}, {}, 'a model of groq without a key', 'api_key, or the environment variable GROQ_API_KEY'],
    [
      'vllm',
      {},
      {},
      'a model at vllm/ without api_base',
      'api_base, the URL of its server, or the environment variable VLLM_BASE_URL or HOSTED_VLLM_API_BASE',
    ],
    [
      'ollama',
      {},
      { OLLAMA_BASE_URL: 'gpu0:11434' },
      'no URL in OLLAMA_BASE_URL or OLLAMA_API_BASE',
      'an http:// or https:// URL there, or api_base here',
    ],
  ])('of %s with %j and %j is incomplete', (name, own, values, found, expected) => {
    expect(of(name, own, values)).toEqual({ kind: 'incomplete', found, expected })
  })

  it('needs no key at a server of its own, nor where none is ever asked for', () => {
    expect(of('openai', { baseUrl: 'http://127.0.0.1:9/v1' })).toEqual({
      kind: 'endpoint',
      baseUrl: 'http://127.0.0.1:9/v1',
      credentials: {},
    })
    expect(of('ollama', {})).toEqual({ kind: 'endpoint', baseUrl: 'http://127.0.0.1:11434', credentials: {} })
  })
})
