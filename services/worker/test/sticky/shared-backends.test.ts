import { describe, expect, it } from 'vitest'
import { createBackendMemory } from '../../src/sticky/backend-memory.ts'
import { sharedBackends } from '../../src/sticky/shared-backends.ts'
import { parseYaml } from '../support.ts'

interface Entry {
  readonly name: string
  readonly model: string
  readonly base?: string
  readonly class?: string
}

const gpu0 = 'http://127.0.0.1:11434'
const gpu1 = 'http://127.0.0.1:11435'

/** The classes that share a backend, model by model. */
function shared(entries: readonly Entry[], more = '', classes?: readonly string[]) {
  const list = entries.map(({ name, model, base = gpu0, class: modelClass = name }) => {
    return `  - {model_name: ${name}, litellm_params: {model: ${model}, api_base: "${base}", api_key: k}, model_info: {class: ${modelClass}}}`
  })
  const config = parseYaml(`model_list:\n${list.join('\n')}\n${more}`)
  return sharedBackends(config, classes ?? Object.keys(config.classes)).map(({ baseUrl, upstream, models }) => ({
    baseUrl,
    isAsked: upstream !== null,
    models: models.map((model) => `${model.classes.join('+')} ${model.listedAs} ${model.swapCostSeconds ?? '-'}`),
  }))
}

describe('models that take turns', () => {
  it('are those of classes with one model each at one Ollama', () => {
    const entries = [
      { name: 'a', model: 'ollama/llama3:latest' },
      { name: 'b', model: 'ollama/mistral:7b' },
      { name: 'c', model: 'ollama/phi', base: gpu1 },
    ]
    expect(shared(entries, 'classes: {b: {swap_cost_s: 9}}')).toEqual([
      { baseUrl: gpu0, isAsked: true, models: ['a llama3 -', 'b mistral:7b 9'] },
    ])
    expect(shared(entries, '', ['a', 'c'])).toEqual([])
  })

  it('are one for classes that the same loaded model serves, and two under different load options', () => {
    const entries = [
      { name: 'a', model: 'ollama/llama3' },
      { name: 'b', model: 'ollama/llama3:latest' },
      { name: 'c', model: 'ollama/phi' },
    ]
    const classes = (options: string) => `classes: {b: {swap_cost_s: 9, options: ${options}}}`
    expect(shared(entries, classes('{keep_alive: 1h}'))[0]?.models).toEqual(['a+b llama3 9', 'c phi -'])
    expect(shared(entries, classes('{num_ctx: 512}'))[0]?.models).toEqual(['a llama3 -', 'b llama3 9', 'c phi -'])
    expect(shared(entries.slice(0, 2))).toEqual([])
  })

  it('are not those of a class with several models, several places or a pattern, nor of a cloud', () => {
    const a = { name: 'a', model: 'ollama/a' }
    for (const others of [
      [
        { name: 'b', model: 'ollama/b', class: 'b' },
        { name: 'c', model: 'ollama/c', class: 'b' },
      ],
      [
        { name: 'b', model: 'ollama/b' },
        { name: 'b', model: 'ollama/b', base: gpu1 },
      ],
      [{ name: '"b-*"', model: 'ollama/*', class: 'b' }],
      [{ name: 'b', model: 'openai/b' }],
      [{ name: 'b', model: 'hosted_vllm/b' }],
    ]) {
      expect(shared([a, ...others])).toEqual([])
    }
  })

  it('are those of any self-hosted server when it is said how many it holds', () => {
    const entries = [
      { name: 'a', model: 'lm_studio/a' },
      { name: 'b', model: 'lm_studio/b' },
      { name: 'c', model: 'groq/c' },
    ]
    expect(shared(entries)).toEqual([])
    expect(shared(entries, 'workers: {max_loaded_models: 1}')).toMatchObject([
      { isAsked: false, models: ['a a -', 'b b -'] },
    ])
  })
})

describe('what fits into memory', () => {
  it('is one model, until more were seen together', () => {
    const memory = createBackendMemory(undefined)
    expect([memory.fits(['a']), memory.fits(['a', 'b'])]).toEqual([true, false])
    memory.observe(['a', 'b', 'c'], 0)
    memory.observe(['d'], 1)
    expect([...memory.loaded]).toEqual(['d'])
    expect([memory.fits(['c', 'a']), memory.fits(['a', 'd'])]).toEqual([true, false])
  })

  it('is believed for ten minutes after it was seen last', () => {
    const memory = createBackendMemory(undefined)
    memory.observe(['a', 'b'], 0)
    memory.observe(['b', 'a'], 300_000)
    memory.observe(['c'], 899_999)
    expect(memory.fits(['a', 'b'])).toBe(true)
    memory.observe(['c'], 900_000)
    expect(memory.fits(['a', 'b'])).toBe(false)
  })

  it('is what the configuration says, whatever was seen', () => {
    const memory = createBackendMemory(2)
    memory.observe(['a', 'b', 'c'], 0)
    expect([memory.fits(['x', 'y']), memory.fits(['a', 'b', 'c'])]).toEqual([true, false])
  })
})
