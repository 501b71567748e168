import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCondition } from '../src/index.ts'

const facts = {
  user_tier: 'premium',
  task_type: 'summarization',
  tokens: 40_000,
  tags: ['a', 'prod'],
  stream: true,
  metadata: { count: 5, plan: 'gold', nested: { deep: true }, flag: true },
}

function holds(text: string, given: Readonly<Record<string, unknown>> = facts): boolean {
  const condition = parseCondition(text, 'request')
  if (condition.kind === 'fault') throw new Error(`${text}: ${condition.message}`)
  return condition.evaluate(given)
}

function faultOf(text: string): string | undefined {
  const condition = parseCondition(text, 'request')
  return condition.kind === 'fault' ? condition.message : undefined
}

describe('a condition', () => {
  it.each([
    ["user_tier == 'premium'", true],
    ["user_tier == 'basic'", false],
    ['tokens > 30000', true],
    ['tokens >= 40000 && tokens <= 40000', true],
    ['tokens == 40000 ? stream : false', true],
    ['tokens > 30000.5', true],
    ["'prod' in tags", true],
    ["tags.exists(t, t.startsWith('pr'))", true],
    ['size(tags) == 2', true],
    ["task_type in ['summarization', 'translation']", true],
    ['metadata.count > 4', true],
    ['metadata.count == 5', true],
    ['metadata.nested.deep', true],
    ['metadata.flag', true],
    ["has(metadata.plan) && metadata.plan == 'gold'", true],
    ["metadata['plan'] == 'gold'", true],
    ["model == ''", true],
    ["operation.matches('^(chat|text)?$')", true],
    ['!stream || false', false],
  ])('evaluates %s to %s', (text, expected) => {
    expect(holds(text)).toBe(expected)
  })

  it.each([
    'metadata.missing == 1',
    'metadata.missing.deeper == 1',
    'metadata.plan > 5',
    'metadata.plan',
    'metadata.count',
    'tokens / 0 == 1',
    "int(user_tier) == 1 && user_tier == 'premium'",
    "metadata.constructor == 'x'",
  ])('that cannot be evaluated does not hold: %s', (text) => {
    expect(holds(text)).toBe(false)
  })

  it('takes a fact that is missing or of another type for an empty one', () => {
    expect(holds("user_tier == '' && tokens == 0 && size(tags) == 0 && !stream && size(metadata) == 0", {})).toBe(true)
    expect(holds("user_tier == '' && tokens == 0", { user_tier: 5, tokens: 'many' })).toBe(true)
    expect(holds('tokens == 7', { tokens: 7n })).toBe(true)
  })

  it.each([
    ['user_teir == "x"', /^unknown variable user_teir at character 1; .*did you mean "user_tier"\?$/],
    ["user_tier = 'x'", /^Unexpected character: = at character 11$/],
    ['', /Unexpected token: EOF/],
    ['tokens', /^it gives a int, not true or false$/],
    ["user_tier + 'x'", /^it gives a string/],
    ["tokens > 'x'", /no such overload: int > string/],
    ['output == ""', /^unknown variable output/],
    ['constructor == 1', /^unknown variable constructor/],
    ['facts == 1', /^unknown variable facts/],
    ['nosuch(tokens)', /nosuch/],
    [`${'('.repeat(500)}true${')'.repeat(500)}`, /./],
  ])('has its faults found before any request: %s', (text, message) => {
    expect(faultOf(text)).toMatch(message)
  })

  it('reads tokens only where it comes to them, and says whether it may', () => {
    let reads = 0
    const lazy = {
      user_tier: 'basic',
      get tokens() {
        reads += 1
        return 40_000
      },
    }
    expect(holds("user_tier == 'premium' && tokens > 30000", lazy)).toBe(false)
    expect(reads).toBe(0)
    expect(holds("user_tier == 'basic' && tokens > 30000", lazy)).toBe(true)
    expect(reads).toBe(1)
    const uses = (text: string) => {
      const condition = parseCondition(text, 'request')
      return condition.kind === 'condition' && condition.usesTokens
    }
    expect(uses("user_tier == 'x' && tokens > 1")).toBe(true)
    expect(uses('tags.exists(t, tokens > 1)')).toBe(true)
    expect(uses("metadata.tokens == 1 && user_tier == 'tokens'")).toBe(false)
  })

  it('looks at an answer by other variables', () => {
    const condition = parseCondition(
      "output.contains('{') && finish_reason == 'stop' && completion_tokens < 9",
      'answer',
    )
    if (condition.kind === 'fault') throw new Error(condition.message)
    expect(condition.evaluate({ output: '{}', finish_reason: 'stop', completion_tokens: 3 })).toBe(true)
    expect(condition.evaluate({ output: '{}', finish_reason: 'length', completion_tokens: 3 })).toBe(false)
    expect(parseCondition("user_tier == 'x'", 'answer').kind).toBe('fault')
  })

  it('never throws, whatever the text and the facts', () => {
    const word = fc.constantFrom(
      'tokens',
      'metadata',
      '.a',
      ' == ',
      "'x'",
      '(',
      ')',
      '[',
      ']',
      '1',
      ' && ',
      '!',
      'tags',
      '?',
      ':',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
    )
    fc.assert(
      fc.property(
        text,
        fc.dictionary(fc.constantFrom('tokens', 'metadata', 'tags'), fc.anything()),
        (source, given) => {
          const condition = parseCondition(source, 'request')
          if (condition.kind === 'condition') expect(typeof condition.evaluate(given)).toBe('boolean')
          else expect(condition.message).not.toBe('')
        },
      ),
      { numRuns: 500 },
    )
  })
})
