import { expect, it } from 'vitest'
import { call, startSimulator } from './support.ts'

interface Answer {
  readonly choices: readonly { readonly message: { readonly role: string; readonly content: string } }[]
  readonly usage: {
    readonly prompt_tokens: number
    readonly prompt_tokens_details: { readonly cached_tokens: number }
  }
}

const system = { role: 'system', content: 'You are brief. '.repeat(40) }

it('counts what a server has read before as cached, up to a whole block, and nothing where the cache is off', async () => {
  const cached = await startSimulator({
    defaults: { prefixCache: true, text: 'An answer of some length. '.repeat(10) },
  })
  const plain = await startSimulator({ defaults: { text: 'An answer.' } })
  const ask = async (url: string, messages: readonly object[]): Promise<Answer> =>
    JSON.parse((await call(url, '/v1/chat/completions', { model: 'm', messages })).text) as Answer
  const tokensOf = ({ usage }: Answer) => usage.prompt_tokens_details.cached_tokens

  const first = [system, { role: 'user', content: 'What is a queue? '.repeat(10) }]
  const answer = await ask(cached.url, first)
  expect(tokensOf(answer)).toBe(0)
  expect(tokensOf(await ask(cached.url, [{ ...system, content: `No. ${system.content}` }]))).toBe(0)

  const message = answer.choices[0]?.message ?? { role: '', content: '' }
  const second = [...first, message, { role: 'user', content: 'And a stack?' }]
  const next = await ask(cached.url, second)
  const known = Math.floor((answer.usage.prompt_tokens + message.content.length / 4) / 16) * 16
  expect(tokensOf(next)).toBe(known)
  expect(next.usage.prompt_tokens).toBeGreaterThan(known)

  await ask(plain.url, first)
  expect(tokensOf(await ask(plain.url, first))).toBe(0)
  cached.reset()
  expect(tokensOf(await ask(cached.url, second))).toBe(0)
})
