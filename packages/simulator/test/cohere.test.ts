import { describe, expect, it } from 'vitest'
import { type Loose, sseData } from './readers.ts'
import { chat, post, startSimulator } from './support.ts'

describe('Cohere', () => {
  const headers = { authorization: 'Bearer k' }
  const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }]

  it('streams the events of a tool call, with the plan before it', async () => {
    const toolCalls = [{ name: 'f', arguments: '{"a":1}' }]
    const { url } = await startSimulator({ models: { m: { reasoning: 'Plan.', toolCalls } } })
    const { text } = await post(url, '/v2/chat', chat('hi', { stream: true, tools }), headers)
    expect(sseData(text).map(({ type }) => type)).toEqual([
      'message-start',
      'tool-plan-delta',
      'tool-plan-delta',
      'tool-call-start',
      ...Array<string>(3).fill('tool-call-delta'),
      'tool-call-end',
      'message-end',
    ])
    for (const [event = ''] of text.matchAll(/event: .+\ndata: .+/g)) {
      const [name, data] = event.split('\ndata: ')
      expect(`event: ${(JSON.parse(data ?? '') as Loose).type}`).toBe(name)
    }
    const whole = (await post(url, '/v2/chat', chat('hi', { tools }), headers)).json()
    expect(whole).toMatchObject({
      finish_reason: 'TOOL_CALL',
      message: {
        tool_plan: 'Plan.',
        tool_calls: [{ type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
      },
      usage: { billed_units: { input_tokens: 1 }, tokens: { input_tokens: 1 } },
    })
  })

  it('gives log probabilities, whole and streamed', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b', logprob: -0.5 } } })
    const expected = [' b', [-0.5]]
    const whole = (await post(url, '/v2/chat', chat('hi', { logprobs: true }), headers)).json()
    expect([whole.logprobs[1].text, whole.logprobs[1].logprobs]).toEqual(expected)
    const { text } = await post(url, '/v2/chat', chat('hi', { logprobs: true, stream: true }), headers)
    const deltas = sseData(text).filter(({ type }) => type === 'content-delta')
    expect([deltas[1].logprobs.text, deltas[1].logprobs.logprobs]).toEqual(expected)
  })

  it('embeds texts that say what they are for', async () => {
    const { url } = await startSimulator()
    const body = { model: 'm', texts: ['a', 'b'], input_type: 'search_query', output_dimension: 4 }
    const { json } = await post(url, '/v2/embed', body, headers)
    expect(json().embeddings.float.map(({ length }: Loose) => length)).toEqual([4, 4])
    expect(json().meta.billed_units.input_tokens).toBe(2)
    const missing = await post(url, '/v2/embed', { ...body, input_type: undefined }, headers)
    expect([missing.status, missing.json().message]).toEqual([400, expect.stringContaining('input_type') as string])
    expect((await post(url, '/v2/embed', { ...body, texts: Array<string>(97).fill('x') }, headers)).status).toBe(400)
  })

  it('answers without a key in the form of its errors', async () => {
    const { url } = await startSimulator({ apiKey: 'right' })
    const missing = await post(url, '/v2/chat', chat('hi'), {})
    expect([missing.status, missing.json()]).toEqual([401, { id: 'simulated', message: 'no api key supplied' }])
    expect((await post(url, '/v2/chat', chat('hi'), headers)).json().message).toBe('invalid api token')
  })
})
