import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { familyOf, familyOfPrefix, providerFamilies } from '../src/families/index.ts'
import { endpointOf, normalBaseUrl } from '../src/upstream.ts'

const all = providerFamilies.map((family) => [family.name, family] as const)

describe('the table of providers', () => {
  it('has every name and every prefix once', () => {
    const names = providerFamilies.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    const prefixes = providerFamilies.flatMap((family) => family.prefixes)
    expect(new Set(prefixes).size).toBe(prefixes.length)
  })

  it('gives no variable of a key to two providers', () => {
    const variables = providerFamilies.flatMap(({ keyVariables }) => keyVariables)
    expect(new Set(variables).size).toBe(variables.length)
  })

  it.each(all)('finds %s by its name and by each of its prefixes', (name, family) => {
    expect(familyOf(name)).toBe(family)
    expect(family.prefixes).toContain(name)
    for (const prefix of family.prefixes) expect(familyOfPrefix(prefix)).toBe(family)
  })

  it.each(all)('says of %s where it lives, or which variable does', (_, family) => {
    expect(family.baseUrlVariables.length > 0 || family.baseUrl !== undefined).toBe(true)
    expect(family.keyVariables.length).toBeGreaterThan(0)
    if (family.baseUrl === undefined) return
    const home = family.baseUrl.replace('{aws_region_name}', 'eu-central-1')
    expect(normalBaseUrl(family, home)).toBe(home)
    // Somebody else's service is never spoken to in the clear.
    expect(new URL(home).protocol).toBe(family.isLocal ? 'http:' : 'https:')
  })

  it.each(all)('gives a model of %s a complete endpoint from the environment alone', (_, family) => {
    const variable = (names: readonly string[]) => {
      if (names.length === 0) return undefined
      return names === family.baseUrlVariables ? (family.baseUrl === undefined ? 'https://h/v1' : undefined) : 'value-1'
    }
    expect(endpointOf(family, {}, variable)).toMatchObject({ kind: 'endpoint', apiKey: 'value-1' })
  })

  it.each(
    `openai azure azure_ai together_ai deepseek groq mistral codestral fireworks_ai openrouter xai perplexity deepinfra
    cerebras nvidia_nim sambanova hyperbolic novita nebius moonshot dashscope ai21 github huggingface lambda_ai meta_llama v0
    vercel_ai_gateway zai minimax featherless_ai friendliai openai_like custom_openai text-completion-openai litellm_proxy
    lm_studio llamafile llama_cpp tgi sglang xinference docker_model_runner lemonade oobabooga vllm hosted_vllm ollama
    ollama_chat anthropic gemini google google_ai_studio bedrock bedrock_converse cohere cohere_chat`.split(/\s+/),
  )('knows the prefix %s', (prefix) => {
    expect(familyOfPrefix(prefix)).toBeDefined()
  })

  it('is the table of docs/providers.md, in the same order', () => {
    const documented = readFileSync(new URL('../../../docs/providers.md', import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => /^\| `\S+\/`/.test(line))
      .map((line) =>
        line
          .split('|')
          .slice(1, 6)
          .map((cell) => cell.trim()),
      )
    const code = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(' ')
    expect(documented).toEqual(
      providerFamilies.map(({ prefixes, wire, baseUrl, baseUrlVariables, keyVariables }) => [
        code(prefixes.map((prefix) => `${prefix}/`)),
        wire,
        baseUrl === undefined ? '–' : code([baseUrl]),
        code(baseUrlVariables),
        code(keyVariables),
      ]),
    )
  })

  it('knows no other names', () => {
    for (const name of ['', 'toString', '__proto__', 'vertex_ai', 'OpenAI']) {
      expect(familyOf(name)).toBeUndefined()
      expect(familyOfPrefix(name)).toBeUndefined()
    }
  })
})
