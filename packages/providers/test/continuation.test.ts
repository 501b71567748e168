import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cutEcho, withoutEcho } from '../src/continuation.ts'
import { call, createBench, createRecorder, openaiKind } from './support.ts'

/** A text cut into pieces at some places. */
function pieces(text: string, cuts: readonly number[]): string[] {
  const places = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  return places.slice(1).map((place, index) => text.slice(places[index], place))
}

const cuts = fc.array(fc.nat(), { maxLength: 8 })

describe('a sink that does not hear the given beginning again', () => {
  it('hears only the rest of an answer that repeats it, wherever the pieces are cut', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string(), cuts, (given, rest, at) => {
        const recorder = createRecorder()
        const sink = withoutEcho(recorder, given)
        for (const piece of pieces(given + rest, at)) if (piece !== '') sink.text(piece)
        expect(recorder.said).toBe(rest)
      }),
    )
  })

  it('hears all of an answer that does not repeat it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), cuts, (given, answer, at) => {
        fc.pre(!answer.startsWith(given))
        const recorder = createRecorder()
        const sink = withoutEcho(recorder, given)
        for (const piece of pieces(answer, at)) if (piece !== '') sink.text(piece)
        sink.deltas([{ index: 0, finish_reason: 'stop' }])
        expect(recorder.said).toBe(answer)
        expect(recorder.heard).toEqual([{ index: 0, finish_reason: 'stop' }])
      }),
    )
  })
})

it('a whole answer loses the given beginning where it repeats it', () => {
  const answer = (content: unknown) => ({ id: 'x', choices: [{ index: 0, message: { role: 'assistant', content } }] })
  expect(cutEcho(answer('one two three'), 'one two')).toEqual(answer(' three'))
  expect(cutEcho(answer(' three'), 'one two')).toEqual(answer(' three'))
  expect(cutEcho(answer(null), 'one')).toEqual(answer(null))
  expect(cutEcho({ id: 'x' }, 'one')).toEqual({ id: 'x' })
})

describe('a given beginning', () => {
  it('is continued by DeepSeek at its beta path, whichever of its own forms the base URL has', async () => {
    const bench = await createBench()
    bench.simulator.script('sim', { text: 'One two three.' })
    for (const path of ['', '/v1', '/beta']) {
      const over = { provider: 'deepseek', baseUrl: bench.simulator.url + path }
      const provider = bench.provider(openaiKind, over)
      const recorder = createRecorder()
      await provider.chat(call({}, { continueFrom: 'One t' }), recorder)
      expect(recorder.said).toBe('wo three.')
      expect(bench.lastRequest()?.path).toMatch(/^\/beta\/chat\/completions/)
    }
    const proxied = bench.provider(openaiKind, { provider: 'deepseek', baseUrl: `${bench.simulator.url}/proxy/v1` })
    expect(proxied.continuesPrefix).toBe(false)
    await bench.close()
  })
})

describe('a probe', () => {
  it.each([
    ['openai', 'gpt-4o', { max_tokens: 16 }],
    ['openai', 'gpt-5-mini', { max_completion_tokens: 16 }],
    ['mistral', 'mistral-small', { max_tokens: 1 }],
    ['lm_studio', 'any', { max_tokens: 1 }],
  ])('of %s asks %s for no more than %j', async (provider, model, bound) => {
    const bench = await createBench()
    const defaults = { max_tokens: 4_000 }
    await bench.provider(openaiKind, { provider, model, defaults }).probe({ mode: 'chat', signal: call({}).signal })
    expect(bench.lastBody()).toEqual({ model, messages: [{ role: 'user', content: 'ping' }], ...bound })
    await bench.close()
  })
})
