import { type CascadeCheck, escalationSigns } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AnswerFacts, judgeAnswer } from '../src/index.ts'

const good: AnswerFacts = {
  text: 'Paris is the capital of France.',
  finishReason: 'stop',
  toolCalls: [],
  refusal: undefined,
  meanLogprob: -0.1,
  wantsJson: false,
  completionTokens: 8,
}
const everything: CascadeCheck = { escalateOn: escalationSigns, minLogprob: -1 }

function judge(changes: Partial<AnswerFacts>, check: CascadeCheck = everything): string {
  const verdict = judgeAnswer(check, { ...good, ...changes })
  return verdict.kind === 'good' ? 'good' : verdict.sign
}

describe('an answer', () => {
  it('is good without a sign of the opposite', () => {
    expect(judge({})).toBe('good')
  })

  it.each([
    "I'm sorry, but I can't help with that.",
    'I’m really sorry, but as much as I would like to, I am unable to do it.',
    'Sorry, I cannot assist with this request.',
    'I cannot provide that information.',
    'Unfortunately, I am not able to write this.',
    'As an AI language model, I cannot give opinions.',
    "I don't know the answer to that.",
  ])('that begins with "%s" is a refusal', (text) => {
    expect(judge({ text })).toBe('refusal')
    expect(judge({ text }, { escalateOn: ['truncation'] })).toBe('good')
  })

  it.each([
    'Sorry sight, that rusty bicycle; here is how to mend it.',
    'The letter could read: "I am sorry, but I cannot come."',
    'I can help with that.',
    'Unfortunately for the empire, the army was late.',
    'You cannot divide by zero.',
  ])('that begins with "%s" is none', (text) => {
    expect(judge({ text })).toBe('good')
  })

  it('is rejected for the refusal field or a filter, too', () => {
    expect(judge({ text: '', refusal: 'No.' })).toBe('refusal')
    expect(judge({ text: '', finishReason: 'content_filter' })).toBe('refusal')
  })

  it('is truncated when the model was cut, and not when the client wanted no more', () => {
    expect(judge({ finishReason: 'length' })).toBe('truncation')
    expect(judge({ finishReason: 'length', maxTokens: 100 })).toBe('truncation')
    expect(judge({ finishReason: 'length', maxTokens: 8 })).toBe('good')
  })

  it('has to be JSON where JSON was asked for', () => {
    expect(judge({ wantsJson: true })).toBe('invalid_json')
    expect(judge({ wantsJson: true, text: ' {"a": 1}\n' })).toBe('good')
    expect(judge({ wantsJson: true, text: '', toolCalls: [{ name: 'f', arguments: '{}' }] })).toBe('good')
  })

  it('has to call tools there are, with an object', () => {
    const call = (name: string, text: string) => judge({ toolCalls: [{ name, arguments: text }], offeredTools: ['f'] })
    expect(call('f', '{"x":[1]}')).toBe('good')
    for (const broken of ['', '{"x":', '[]', 'null', '1']) expect(call('f', broken)).toBe('invalid_tool_call')
    expect(call('g', '{}')).toBe('invalid_tool_call')
  })

  it('has to be probable where that is known', () => {
    expect(judge({ meanLogprob: -1.5 })).toBe('low_logprob')
    expect(judge({ meanLogprob: -1 })).toBe('good')
    expect(judge({ meanLogprob: undefined })).toBe('good')
  })

  it('has to meet the condition', () => {
    const check = { escalateOn: [], check: "size(output) > 5 && finish_reason == 'stop' && completion_tokens < 100" }
    expect(judge({}, check)).toBe('good')
    expect(judge({ text: 'Yes.' }, check)).toBe('check')
    expect(judge({ completionTokens: 100 }, check)).toBe('check')
    expect(judge({}, { escalateOn: [], check: '1 +' })).toBe('check')
  })

  it('is judged whatever it holds, and the reason never repeats it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12 }), fc.subarray([...escalationSigns]), (text, escalateOn) => {
        const verdict = judgeAnswer(
          { escalateOn, minLogprob: 0 },
          { ...good, text, wantsJson: true, toolCalls: [{ name: text, arguments: text }] },
        )
        if (verdict.kind === 'rejected') expect(verdict.reason).not.toContain(text)
        if (verdict.kind === 'rejected') expect(escalateOn).toContain(verdict.sign)
      }),
    )
  })
})
