import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseConfig } from '@inferq/config'
import { describe, expect, it } from 'vitest'
import { createRouter, quietDeployments } from '../src/index.ts'
import { chat } from './support/requests.ts'

const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'routing.md'), 'utf8')
const env = {
  OPENAI_API_KEY: 'k',
  ANTHROPIC_API_KEY: 'k',
  GEMINI_API_KEY: 'k',
  GROQ_API_KEY: 'k',
  TOGETHER_API_KEY: 'k',
}
const examples = [...page.matchAll(/^## ([^\n]+)$|```yaml\n(.*?)```/gms)].reduce<{ title: string; text: string }[]>(
  (found, [, title, text]) => {
    if (title !== undefined) found.push({ title, text: '' })
    const last = found.at(-1)
    if (text !== undefined && last !== undefined) last.text = text
    return found
  },
  [],
)

function load(title: string) {
  const text = examples.find((example) => example.title === title)?.text ?? ''
  const result = parseConfig({ source: { file: 'docs/routing.md', text }, env })
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.faults))
  return result.config
}

function reached(title: string, ...[model, changes]: Parameters<typeof chat>) {
  const decision = createRouter(load(title)).route(chat(model, changes), quietDeployments)
  return decision.kind === 'candidates' ? decision.candidates.map((candidate) => candidate.model) : decision.error.code
}

describe('the examples of docs/routing.md', () => {
  const withText = examples.filter(({ text }) => text !== '').map(({ title }) => title)

  it('are all there', () => {
    expect(withText).toHaveLength(8)
  })

  it.each(withText)('load, and every key acts: %s', (title) => {
    const config = load(title)
    expect(config.unused).toEqual([])
    expect(config.models.length).toBeGreaterThan(0)
    createRouter(config)
  })

  it('act as the page says', () => {
    expect(reached('Rules', 'gpt-4')).toEqual(['gpt-4'])
    expect(reached('Rules', 'auto')).toEqual(['small'])
    expect(reached('Rules', 'small', { headers: { 'x-inferq-user-tier': 'premium' } })).toEqual(['gpt-4'])
    expect(reached('Rules', 'gpt-4', { metadata: { task_type: 'summarization' } })).toEqual(['small'])
    expect(['gpt-4o', 'sonnet']).toContain(reached('Splits', 'default')[0])
    const code = { body: { messages: [{ role: 'user', content: '```\nx\n```' }] } }
    expect(reached('By the look of a request', 'auto', code)).toEqual(['coder'])
    expect(reached('Cascades', 'large', { metadata: { task_type: 'extraction' } })).toEqual(['small', 'large'])
    expect(reached('Names', 'openai/o3')).toEqual(['openai/o3'])
    expect(reached('Names', 'internal')).toEqual(['gpt-4o'])
    expect(reached('Which deployment', 'llama')).toEqual(['llama', 'llama'])
    expect(reached('Fallbacks', 'main')).toEqual(['main', 'long', 'local', 'second', 'local'])
  })
})
