import { describe, expect, it } from 'vitest'
import { credentialHeaders, secretsOf } from '../src/credentials.ts'
import { continuationPath, type OpenAIRoute, openAIPath } from '../src/openai-address.ts'

const target = (provider: string, baseUrl: string, version?: string) => ({
  provider,
  baseUrl,
  credentials: version === undefined ? {} : { api_version: version },
})

describe('the path of a call', () => {
  it.each([
    ['openai', 'http://h', undefined, '/v1/chat/completions'],
    ['openai', 'http://h/api/v3/', undefined, '/api/v3/chat/completions'],
    ['groq', 'https://api.groq.com/openai/v1', undefined, '/openai/v1/chat/completions'],
    ['perplexity', 'https://api.perplexity.ai', undefined, '/chat/completions'],
    ['deepseek', 'https://api.deepseek.com', undefined, '/chat/completions'],
    ['vllm', 'http://h/gpu0', undefined, '/gpu0/v1/chat/completions'],
    ['a name nobody knows', 'http://h', undefined, '/v1/chat/completions'],
    [
      'azure',
      'https://x.openai.azure.com',
      '2024-10-21',
      '/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21',
    ],
    [
      'azure',
      'https://gateway.example/azure/',
      '2024-10-21',
      '/azure/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21',
    ],
    [
      'azure',
      'https://x.openai.azure.com/openai/deployments/other',
      '2024-10-21',
      '/openai/deployments/other/chat/completions?api-version=2024-10-21',
    ],
    ['azure', 'https://x.openai.azure.com/openai/v1', '2024-10-21', '/openai/v1/chat/completions'],
    ['azure', 'https://x.openai.azure.com', 'v1', '/openai/v1/chat/completions'],
    ['azure', 'https://x.openai.azure.com', 'preview', '/openai/v1/chat/completions?api-version=preview'],
    [
      'azure_ai',
      'https://x.services.ai.azure.com',
      undefined,
      '/models/chat/completions?api-version=2024-05-01-preview',
    ],
    [
      'azure_ai',
      'https://x.services.ai.azure.com/models',
      '2025-04-01',
      '/models/chat/completions?api-version=2025-04-01',
    ],
    ['azure_ai', 'https://x.services.ai.azure.com/openai/v1', undefined, '/openai/v1/chat/completions'],
    ['azure_ai', 'https://x.eastus2.models.ai.azure.com', undefined, '/v1/chat/completions'],
  ])('of %s at %s (version %s) is %s', (provider, baseUrl, version, path) => {
    expect(openAIPath(target(provider, baseUrl, version), 'chat/completions', 'my gpt')).toBe(path)
  })

  it('has its own end for every operation', () => {
    const path = (route: OpenAIRoute) => openAIPath(target('azure', 'https://x', '2024-10-21'), route, 'm')
    expect(path('embeddings')).toBe('/openai/deployments/m/embeddings?api-version=2024-10-21')
    expect(path('completions')).toBe('/openai/deployments/m/completions?api-version=2024-10-21')
  })

  it.each([
    ['vllm', 'http://h/v1', '/v1/chat/completions'],
    ['mistral', 'https://api.mistral.ai/v1', '/v1/chat/completions'],
    ['deepseek', 'https://api.deepseek.com', '/beta/chat/completions'],
    ['deepseek', 'https://api.deepseek.com/v1', '/beta/chat/completions'],
    ['deepseek', 'https://api.deepseek.com/beta', '/beta/chat/completions'],
    ['deepseek', 'https://proxy.example/deepseek', undefined],
    ['openai', 'https://api.openai.com/v1', undefined],
    ['groq', 'https://api.groq.com/openai/v1', undefined],
  ])('that goes on with a given beginning is, of %s at %s, %s', (provider, baseUrl, path) => {
    expect(continuationPath(target(provider, baseUrl), 'm')).toBe(path)
  })
})

describe('the credentials of a call', () => {
  const headers = (provider: string, more: Record<string, unknown>, baseUrl = 'https://h/v1') =>
    credentialHeaders({ provider, baseUrl, ...more })

  it.each([
    ['openai', { apiKey: 'k' }, 'https://h', { authorization: 'Bearer k' }],
    ['openai', { apiKey: 'k' }, 'https://u:p@h', { authorization: 'Bearer k' }],
    ['ollama', {}, 'https://u:p%40@h', { authorization: `Basic ${btoa('u:p@')}` }],
    ['openai', {}, 'https://h', {}],
    [
      'openai',
      { apiKey: 'k', credentials: { organization: 'org-1' } },
      'https://h',
      { authorization: 'Bearer k', 'openai-organization': 'org-1' },
    ],
    ['azure', { apiKey: 'k', credentials: { api_version: '2024-10-21' } }, 'https://h', { 'api-key': 'k' }],
    ['azure', { credentials: { azure_ad_token: 't' } }, 'https://h', { authorization: 'Bearer t' }],
    ['azure_ai', { apiKey: 'k' }, 'https://x.services.ai.azure.com', { 'api-key': 'k' }],
    ['azure_ai', { apiKey: 'k' }, 'https://x.eastus.models.ai.azure.com', { authorization: 'Bearer k' }],
  ])('of %s with %j at %s are %j', (provider, more, baseUrl, expected) => {
    expect(headers(provider, more, baseUrl)).toEqual(expected)
  })

  it('are secrets, and a version or a region is none', () => {
    const credentials = { api_version: '2024-10-21', azure_ad_token: 'token-123456' }
    const secrets = secretsOf({
      provider: 'azure',
      baseUrl: 'https://user:password-1@h',
      apiKey: 'key-12345678',
      credentials,
      headers: { 'x-a': 'header-1234' },
    })
    expect([...secrets].sort()).toEqual(['header-1234', 'key-12345678', 'password-1', 'token-123456'])
  })
})
