import { describe, expect, it } from 'vitest'
import { type Loose, sseData } from './readers.ts'
import { chat, post, startSimulator } from './support.ts'

describe('OpenAI', () => {
  const path = '/v1/chat/completions'

  it('refuses in a field of its own, streamed and whole', async () => {
    const { url } = await startSimulator({ models: { m: { refusal: 'I cannot.', logprob: -0.5 } } })
    const whole = (await post(url, path, chat('hi', { logprobs: true }), {})).json().choices[0]
    expect(whole).toMatchObject({ message: { content: null, refusal: 'I cannot.' }, finish_reason: 'stop' })
    expect(whole.logprobs).toMatchObject({ content: null, refusal: [{ token: 'I', logprob: -0.5 }, {}, {}] })
    const { text } = await post(url, path, chat('hi', { stream: true }), {})
    expect(sseData(text)[1].choices[0].delta).toEqual({ refusal: 'I' })
  })

  it('gives every token the log probability of the script', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b c', logprob: -0.125 } } })
    const { content } = (await post(url, path, chat('hi', { logprobs: true, top_logprobs: 2 }), {})).json().choices[0]
      .logprobs
    expect(content.map(({ logprob }: Loose) => logprob)).toEqual([-0.125, -0.125, -0.125])
    expect(content[0].top_logprobs[1].logprob).toBeLessThan(-0.125)
    const completions = await post(url, '/v1/completions', { model: 'm', prompt: 'x', logprobs: 0 }, {})
    expect(completions.json().choices[0].logprobs.token_logprobs).toEqual([-0.125, -0.125, -0.125])
  })

  it('continues a message marked as prefix, and takes an unmarked one as a turn', async () => {
    const { url, stats } = await startSimulator({ models: { m: { text: 'One two' } } })
    const says = async (last: Record<string, unknown>) =>
      (
        await post(
          url,
          '/beta/v1/chat/completions',
          { model: 'm', messages: [{ role: 'user', content: 'x' }, last] },
          {},
        )
      ).json().choices[0].message.content
    expect(await says({ role: 'assistant', content: 'One', prefix: true })).toBe(' two')
    expect(await says({ role: 'assistant', content: 'One', prefix: false })).toBe('One two')
    expect(await says({ role: 'assistant', content: 'One' })).toBe('One two')
    expect(stats().total.continued).toBe(1)
  })
})
