import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { load } from './support.ts'

const variables = ['OPENAI', 'ANTHROPIC', 'AZURE'].map((name) => [`${name}_API_KEY`, 'key'])
const names = ['INFERQ_MASTER_KEY', 'LITELLM_MASTER_KEY', 'KEY_1', 'KEY_2'].map((name) => [name, 'key'])
const env = Object.fromEntries([...variables, ...names])

const pages = ['configuration.md', 'migrating-from-litellm.md'].flatMap((page) => {
  const text = readFileSync(new URL(`../../../docs/${page}`, import.meta.url), 'utf8')
  return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match, index): [string, string] => [
    `${page}, example ${index + 1}`,
    match[1] ?? '',
  ])
})

describe('the examples of the documentation', () => {
  it.each(pages)('load: %s', (_, text) => {
    expect(load(text, { env }).models.length).toBeGreaterThan(0)
  })

  it('are there', () => {
    expect(pages.length).toBeGreaterThanOrEqual(4)
  })
})
