import { InferqError } from '@inferq/contracts'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createAnswerReader } from '../src/ai-sdk/answer.ts'
import { prepareCall } from '../src/ai-sdk/call-options.ts'
import { CompletionState } from '../src/completion-state.ts'
import { createTokenTally } from '../src/usage.ts'
import { createRecorder } from './support.ts'

const wires = fc.constantFrom('anthropic', 'gemini', 'cohere', 'bedrock')
const part = fc.oneof(
  fc.record({ type: fc.constantFrom('text', 'image_url', 'file', 'input_audio'), text: fc.jsonValue() }),
  fc.record({ type: fc.constant('image_url'), image_url: fc.record({ url: fc.oneof(fc.webUrl(), fc.string()) }) }),
  fc.jsonValue(),
)
const message = fc.record(
  {
    role: fc.constantFrom('system', 'developer', 'user', 'assistant', 'tool', 'other'),
    content: fc.oneof(fc.string(), fc.array(part), fc.jsonValue()),
    tool_calls: fc.oneof(
      fc.array(fc.record({ id: fc.string(), function: fc.record({ name: fc.string(), arguments: fc.string() }) })),
      fc.jsonValue(),
    ),
    tool_call_id: fc.string(),
    thinking_blocks: fc.jsonValue(),
  },
  { requiredKeys: ['role'] },
)
const request = fc.record(
  {
    messages: fc.oneof(fc.array(message), fc.jsonValue()),
    tools: fc.jsonValue(),
    tool_choice: fc.jsonValue(),
    response_format: fc.jsonValue(),
    thinking: fc.jsonValue(),
    stop: fc.jsonValue(),
    reasoning_effort: fc.jsonValue(),
    max_tokens: fc.jsonValue(),
  },
  { requiredKeys: ['messages'] },
)

describe('any JSON as a request', () => {
  it('is prepared, or refused by the name of a field', () => {
    fc.assert(
      fc.property(wires, request, fc.option(fc.string({ minLength: 1 }), { nil: undefined }), (wire, body, given) => {
        try {
          prepareCall('chat', {}, wire, body, given)
        } catch (error) {
          if (!(error instanceof InferqError)) throw error
          expect(error.code).toBe('upstream_invalid_request')
          expect(error.detail.param).toBeTruthy()
        }
      }),
      { numRuns: 400 },
    )
  })
})

describe('a continued answer', () => {
  it('says what the model said after the beginning, however it comes apart', () => {
    const blank = fc.string({ unit: fc.constantFrom(' ', '\n', '\t'), maxLength: 4 })
    fc.assert(
      fc.property(blank, fc.string({ minLength: 1 }), fc.array(fc.nat(5)), (space, rest, cuts) => {
        const sink = createRecorder()
        const state = new CompletionState(sink, createTokenTally(), 1)
        const reader = createAnswerReader('chat', state, { secrets: [], afterPrefix: `Once${space}` })
        let said = `${space}x${rest}`
        for (const cut of cuts) {
          reader.part({ type: 'text-delta', id: '0', delta: said.slice(0, cut) })
          said = said.slice(cut)
        }
        reader.part({ type: 'text-delta', id: '0', delta: said })
        expect(sink.said).toBe(`x${rest}`)
      }),
    )
  })
})
