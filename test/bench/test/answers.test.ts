import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStreamCheck, createWholeCheck } from '../load/answers.ts'
import { addFaults, createFaultCounter } from '../load/fault-counter.ts'

const expected = { text: 'One two.', tokens: 3 }
const whole = (content: string, tokens = 3, finish_reason = 'stop'): string =>
  JSON.stringify({ choices: [{ message: { content }, finish_reason }], usage: { completion_tokens: tokens } })
const chunk = (content: string | null, finish_reason: string | null = null): string =>
  `data: ${JSON.stringify({ choices: [{ delta: content === null ? {} : { content }, finish_reason }] })}\n\n`
const done = 'data: [DONE]\n\n'
const rightStream = `: queued position=1\n\n${chunk('')}${chunk('One')}${chunk(' two.')}${chunk(null, 'stop')}${done}`

function faultOfWhole(body: string): string | null {
  const check = createWholeCheck(expected)
  check.take(body)
  return check.fault()
}

function faultOfStream(...pieces: string[]): string | null {
  const check = createStreamCheck(expected)
  for (const piece of pieces) check.take(piece)
  return check.fault()
}

describe('an answer in one piece', () => {
  it('is right with the text, the tokens and the reason the upstream gave', () => {
    expect(faultOfWhole(whole('One two.'))).toBeNull()
  })

  it.each([
    ['cut off', whole('One two.').slice(0, -1), 'the body is not JSON'],
    ['empty', '', 'the body is not JSON'],
    ['of another text', whole('One'), 'another text than the upstream sent'],
    ['of another length', whole('One two.', 2), 'another number of tokens'],
    ['ended early', whole('One two.', 3, 'length'), 'another finish reason'],
    ['an error', '{"error":{"message":"no"}}', 'another text than the upstream sent'],
  ])('is wrong when it is %s', (_, body, fault) => {
    expect(faultOfWhole(body)).toBe(fault)
  })
})

describe('a streamed answer', () => {
  it('is right however its bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(rightStream.length)), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), rightStream.length]
        const pieces = places.slice(1).map((place, index) => rightStream.slice(places[index], place))
        expect(faultOfStream(...pieces)).toBeNull()
      }),
    )
  })

  it('has its first token when there is text, not with an empty delta', () => {
    const check = createStreamCheck(expected)
    check.take(chunk(''))
    expect(check.hasToken).toBe(false)
    check.take(chunk('O'))
    expect(check.hasToken).toBe(true)
  })

  it.each([
    ['without its end', rightStream.replace(done, ''), 'no [DONE]'],
    ['with a token missing', rightStream.replace(chunk('One'), ''), 'another text than the upstream sent'],
    [
      'with a token twice',
      rightStream.replace(chunk('One'), chunk('One').repeat(2)),
      'another text than the upstream sent',
    ],
    ['with an error event', rightStream.replace(done, `data: {"error":{}}\n\n${done}`), 'an error in the stream'],
    ['that goes on after its end', `${rightStream}${done}`, 'something after [DONE]'],
    ['with a broken chunk', rightStream.replace('{', '{{'), 'a chunk is not JSON'],
  ])('is wrong %s', (_, stream, fault) => {
    expect(faultOfStream(stream)).toBe(fault)
  })
})

describe('faults', () => {
  it('are counted by kind, and further kinds together', () => {
    const counter = createFaultCounter()
    for (let kind = 0; kind < 25; kind += 1) counter.add(`fault ${kind}`)
    counter.add('fault 0')
    expect(counter.counts()).toMatchObject({ 'fault 0': 2, 'fault 19': 1, 'other faults': 5 })
    expect(addFaults({ a: 1 }, { a: 2, b: 1 })).toEqual({ a: 3, b: 1 })
  })
})
