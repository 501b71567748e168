import { describe, expect, it } from 'vitest'
import { openAIBody } from '../src/openai-request.ts'

const upstream = { provider: 'vllm', model: 'm', baseUrl: 'http://127.0.0.1:9/v1' }
const cached = { cache_control: { type: 'ephemeral' } }
const request = {
  ...cached,
  output_config: { effort: 'low' },
  thinking: { type: 'enabled', budget_tokens: 1024 },
  tools: [{ type: 'function', function: { name: 'f' }, ...cached }],
  messages: [
    { role: 'system', content: [{ type: 'text', text: 'S', ...cached }] },
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'hm',
      thinking_blocks: [{ type: 'thinking', thinking: 'hm', signature: 'x' }],
      tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' }, ...cached }],
    },
    { role: 'tool', tool_call_id: 'a', content: 'no', is_error: true, ...cached },
  ],
}

describe('what only Claude reads', () => {
  it('does not go to a server on the wire of OpenAI', () => {
    expect(openAIBody(upstream, request, {})).toEqual({
      model: 'm',
      thinking: { type: 'enabled', budget_tokens: 1024 },
      tools: [{ type: 'function', function: { name: 'f' } }],
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'S' }] },
        {
          role: 'assistant',
          content: null,
          reasoning_content: 'hm',
          tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'a', content: 'no' },
      ],
    })
    expect(request.messages[0]).toEqual({ role: 'system', content: [{ type: 'text', text: 'S', ...cached }] })
  })

  it.each(['openrouter', 'litellm_proxy', 'vercel_ai_gateway'])('goes to %s, who hands it on', (provider) => {
    expect(openAIBody({ ...upstream, provider }, request, {})).toEqual({ ...request, model: 'm' })
  })

  it('says to OpenAI itself nothing of thinking, which it would refuse', () => {
    const openai = { ...upstream, provider: 'openai', baseUrl: 'https://api.openai.com/v1' }
    expect(openAIBody(openai, request, {})).not.toHaveProperty('thinking')
    expect(openAIBody({ ...upstream, provider: 'openai' }, request, {})).toHaveProperty('thinking')
  })
})

describe('pictures in the results of tools', () => {
  const picture = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }

  it('follow the last result of the turn, in a turn of the user', () => {
    const messages = [
      { role: 'tool', tool_call_id: 'a', content: [{ type: 'text', text: 'Here.' }, picture] },
      { role: 'tool', tool_call_id: 'b', content: [picture] },
      { role: 'tool', tool_call_id: 'c', content: 'plain' },
      { role: 'user', content: 'And?' },
    ]
    expect(openAIBody(upstream, { messages }, {})['messages']).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'Here.' },
      { role: 'tool', tool_call_id: 'b', content: 'See the next message.' },
      { role: 'tool', tool_call_id: 'c', content: 'plain' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Result of the tool call a:' },
          picture,
          { type: 'text', text: 'Result of the tool call b:' },
          picture,
        ],
      },
      { role: 'user', content: 'And?' },
    ])
  })

  it('follow at the end of a conversation too', () => {
    const messages = [{ role: 'tool', tool_call_id: 'a', content: [picture] }]
    expect(openAIBody(upstream, { messages }, {})['messages']).toHaveLength(2)
  })
})
