import { describe, expect, it } from 'vitest'
import { call, chat, contentOf, events, startSimulator } from './support.ts'

const path = '/v1/chat/completions'

interface Completion {
  choices: {
    message: { content: string | null; reasoning_content?: string; tool_calls?: { function: { arguments: string } }[] }
    finish_reason: string
    logprobs: { content: { token: string; logprob: number; top_logprobs: unknown[] }[] } | null
  }[]
  usage: Record<string, number>
}

function parse(text: string): Completion {
  return JSON.parse(text) as Completion
}

function withoutTime(text: string): string {
  return text.replaceAll(/"created":\d{10}/g, '"created":0')
}

describe('chat completions', () => {
  it('streams the bytes OpenAI streams, with usage where it is asked for', async () => {
    const { url } = await startSimulator()
    const body = chat('hi', { stream: true, stream_options: { include_usage: true }, sim: { text: 'Hé "you".' } })
    const { text, status, headers } = await call(url, path, body)
    const head =
      'data: {"id":"chatcmpl-sim1","object":"chat.completion.chunk","created":0,"model":"m",' +
      '"service_tier":"default","system_fingerprint":"fp_simulated","choices":['
    const chunk = (delta: string, reason = 'null') =>
      `${head}{"index":0,"delta":${delta},"logprobs":null,"finish_reason":${reason}}],"usage":null}\n\n`
    expect(withoutTime(text)).toBe(
      chunk('{"role":"assistant","content":"","refusal":null}') +
        chunk('{"content":"Hé"}') +
        chunk('{"content":" \\"you\\""}') +
        chunk('{"content":"."}') +
        chunk('{}', '"stop"') +
        `${head}],"usage":{"prompt_tokens":1,"completion_tokens":3,"total_tokens":4,` +
        '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":' +
        '{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}\n\n' +
        'data: [DONE]\n\n',
    )
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('text/event-stream; charset=utf-8')
    expect(headers['x-simulated']).toBe('true')
  })

  it('streams without any usage field when none is asked for', async () => {
    const { url } = await startSimulator()
    const { text } = await call(url, path, chat('hi', { stream: true }))
    expect(text).not.toContain('usage')
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true)
  })

  it('says the same streamed and whole, and the same again on another server', async () => {
    const first = await startSimulator()
    const second = await startSimulator()
    const whole = await call(first.url, path, chat('Why is the sky blue?'))
    const streamed = await call(second.url, path, chat('Why is the sky blue?', { stream: true }))
    expect(contentOf(events(streamed.text))).toBe(parse(whole.text).choices[0]?.message.content)
  })

  it('says something else to another prompt, seed, model or server seed', async () => {
    const { url } = await startSimulator()
    const other = await startSimulator({ seed: 2 })
    const answers = await Promise.all([
      call(url, path, chat('one')),
      call(url, path, chat('two')),
      call(url, path, chat('one', { seed: 7 })),
      call(url, path, chat('one', { model: 'n' })),
      call(other.url, path, chat('one')),
    ])
    const contents = answers.map(({ text }) => parse(text).choices[0]?.message.content)
    expect(new Set(contents).size).toBe(5)
  })

  it('writes exactly the scripted number of tokens and counts them', async () => {
    const { url } = await startSimulator({ models: { m: { tokens: 20, label: '[simulated]' } } })
    const { text } = await call(url, path, chat('hi'))
    const completion = parse(text)
    expect(completion.usage['completion_tokens']).toBe(20)
    expect(completion.choices[0]?.message.content).toMatch(/^\[simulated\] [A-Z]/)
    const streamed = events((await call(url, path, chat('hi', { stream: true }))).text)
    expect(streamed.filter(({ choices }) => choices[0]?.delta.content)).toHaveLength(20)
  })

  it('ends with length at max_tokens and at max_completion_tokens', async () => {
    const { url } = await startSimulator()
    for (const limit of ['max_tokens', 'max_completion_tokens']) {
      const completion = parse((await call(url, path, chat('hi', { [limit]: 4 }))).text)
      expect(completion.choices[0]?.finish_reason).toBe('length')
      expect(completion.usage['completion_tokens']).toBe(4)
    }
  })

  it('stops before a stop sequence, also one that spans tokens', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'one two three four' } } })
    const stopped = async (stop: unknown) =>
      parse((await call(url, path, chat('hi', { stop }))).text).choices[0]?.message.content
    expect(await stopped('o th')).toBe('one tw')
    expect(await stopped(['four', 'two'])).toBe('one ')
    expect(await stopped('five')).toBe('one two three four')
  })

  it('gives n choices, interleaved in a stream, each with its own reason to end', async () => {
    const { url } = await startSimulator()
    const whole = parse((await call(url, path, chat('hi', { n: 3 }))).text)
    const chunks = events((await call(url, path, chat('hi', { n: 3, stream: true }))).text)
    expect(new Set(whole.choices.map(({ message }) => message.content)).size).toBe(3)
    for (const [index, { message }] of whole.choices.entries()) expect(contentOf(chunks, index)).toBe(message.content)
    expect(chunks.filter(({ choices }) => choices[0]?.finish_reason === 'stop')).toHaveLength(3)
  })

  it('reports log probabilities for each token', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'yes no' } } })
    const { text } = await call(url, path, chat('hi', { logprobs: true, top_logprobs: 2 }))
    const content = parse(text).choices[0]?.logprobs?.content ?? []
    expect(content.map(({ token }) => token)).toEqual(['yes', ' no'])
    expect(content[0]?.top_logprobs).toHaveLength(2)
    expect(content[0]?.logprob).toBeLessThan(0)
  })

  it('reasons before it answers when scripted, and counts the reasoning', async () => {
    const { url } = await startSimulator({ models: { m: { reasoning: 'Let me think.', text: 'Done.' } } })
    const streamed = events((await call(url, path, chat('hi', { stream: true }))).text)
    const kinds = streamed.map(({ choices }) => Object.keys(choices[0]?.delta ?? {})[0])
    expect(kinds).toEqual([
      'role',
      ...Array<string>(4).fill('reasoning_content'),
      ...Array<string>(2).fill('content'),
      undefined,
    ])
    const { choices, usage } = parse((await call(url, path, chat('hi'))).text)
    expect(choices[0]?.message).toMatchObject({ content: 'Done.', reasoning_content: 'Let me think.' })
    expect(usage).toMatchObject({ completion_tokens: 6, completion_tokens_details: { reasoning_tokens: 4 } })
  })

  it('answers in JSON when asked, after the schema where there is one', async () => {
    const { url } = await startSimulator({ models: { m: { label: '[simulated]' } } })
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, size: { type: 'integer', minimum: 50 }, kind: { enum: ['a'] } },
    }
    const ask = async (response_format: unknown) =>
      JSON.parse(parse((await call(url, path, chat('hi', { response_format }))).text).choices[0]?.message.content ?? '')
    expect(await ask({ type: 'json_object' })).toMatchObject({ simulated: true })
    expect(await ask({ type: 'json_schema', json_schema: { name: 'x', schema } })).toEqual({
      city: expect.any(String) as string,
      size: 50,
      kind: 'a',
    })
  })

  it('sounds like a summary when one is asked for', async () => {
    const { url } = await startSimulator()
    const prompt = 'Summarize: penguins march over glaciers; glaciers melt, penguins march on, glaciers melt again.'
    const content = parse((await call(url, path, chat(prompt))).text).choices[0]?.message.content
    expect(content).toMatch(/^In short, the text is about glaciers, (march|penguins) and (march|penguins)\./)
  })

  it('reports the wrong usage, or none, when scripted', async () => {
    const { url } = await startSimulator()
    const wrong = await call(url, path, chat('hi', { sim: { usage: { completion_tokens: 999 } } }))
    expect(parse(wrong.text).usage).toMatchObject({ prompt_tokens: 1, completion_tokens: 999 })
    const none = await call(url, path, chat('hi', { sim: { noUsage: true } }))
    expect(parse(none.text)).not.toHaveProperty('usage')
    const options = { stream: true, stream_options: { include_usage: true } }
    const streamed = await call(url, path, chat('hi', { ...options, sim: { noUsage: true } }))
    expect(streamed.text).not.toContain('usage')
  })
})

describe('tools', () => {
  const tools = [
    {
      type: 'function',
      function: { name: 'first', parameters: { type: 'object', properties: { a: { type: 'integer' } } } },
    },
    { type: 'function', function: { name: 'second' } },
  ]

  it('streams scripted calls with their arguments in pieces', async () => {
    const toolCalls = [
      { name: 'first', arguments: { a: 1, place: 'Vienna, Austria' } },
      { name: 'second', arguments: '{}' },
    ]
    const { url } = await startSimulator({ models: { m: { toolCalls } } })
    const chunks = events((await call(url, path, chat('hi', { stream: true, tools }))).text)
    const deltas = chunks.flatMap(({ choices }) => choices[0]?.delta.tool_calls ?? [])
    expect(deltas[0]).toEqual({
      index: 0,
      id: expect.stringMatching(/^call_/) as string,
      type: 'function',
      function: { name: 'first', arguments: '' },
    })
    const written = (index: number) =>
      deltas
        .filter((delta) => delta.index === index)
        .map((delta) => delta.function.arguments)
        .join('')
    expect(JSON.parse(written(0))).toEqual({ a: 1, place: 'Vienna, Austria' })
    expect(written(1)).toBe('{}')
    expect(deltas.length).toBeGreaterThan(5)
    expect(chunks[0]?.choices[0]?.delta.content).toBeNull()
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('tool_calls')
  })

  it('calls the required or named tool with arguments after its schema', async () => {
    const { url } = await startSimulator()
    const required = parse((await call(url, path, chat('hi', { tools, tool_choice: 'required' }))).text)
    expect(required.choices[0]?.message).toMatchObject({
      content: null,
      tool_calls: [{ type: 'function', function: { name: 'first', arguments: '{"a":42}' } }],
    })
    const choice = { type: 'function', function: { name: 'second' } }
    const named = parse((await call(url, path, chat('hi', { tools, tool_choice: choice }))).text)
    expect(named.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: 'second', arguments: '{}' } })
  })

  it('answers in text without tools, with tool_choice none, and after a tool has answered', async () => {
    const { url } = await startSimulator({ models: { m: { toolCalls: [{ name: 'first', arguments: {} }] } } })
    const after = { model: 'm', tools, messages: [{ role: 'tool', tool_call_id: 'x', content: '42' }] }
    for (const body of [chat('hi'), chat('hi', { tools, tool_choice: 'none' }), after]) {
      expect(parse((await call(url, path, body)).text).choices[0]).toMatchObject({ finish_reason: 'stop' })
    }
  })
})

describe('continuation of a prefix', () => {
  it('continues the answer exactly, wherever it was cut', async () => {
    const { url } = await startSimulator({ models: { m: { tokens: 12, label: '[simulated]' } } })
    const whole = parse((await call(url, path, chat('hi'))).text).choices[0]?.message.content ?? ''
    for (let cut = 1; cut <= whole.length; cut += 1) {
      const messages = [
        { role: 'user', content: 'hi' },
        { role: 'assistant', content: whole.slice(0, cut) },
      ]
      const body = { model: 'm', messages, continue_final_message: true, add_generation_prompt: false }
      const rest = parse((await call(url, path, body)).text).choices[0]?.message.content
      expect(whole.slice(0, cut) + rest).toBe(whole)
    }
  })

  it('takes a last assistant turn as an ordinary turn without the flag', async () => {
    const { url } = await startSimulator()
    const messages = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'Hello' },
    ]
    const continued = { model: 'm', messages, continue_final_message: true, add_generation_prompt: false }
    const answers = await Promise.all([call(url, path, { model: 'm', messages }), call(url, path, continued)])
    const [plain, rest] = answers.map(({ text }) => parse(text).choices[0]?.message.content)
    expect(plain).toMatch(/^[A-Z]/)
    expect(rest).not.toBe(plain)
  })

  it('refuses continue_final_message beside add_generation_prompt, as vLLM does', async () => {
    const { url } = await startSimulator()
    const { status, text } = await call(url, path, chat('hi', { continue_final_message: true }))
    expect(status).toBe(400)
    expect(text).toContain('add_generation_prompt')
  })
})

describe('bad requests', () => {
  it.each([
    ['{', null],
    [{ messages: [] }, 'model'],
    [{ model: 'm' }, 'messages'],
    [{ model: 'm', messages: [] }, 'messages'],
    [{ model: 'm', messages: [{ content: 'x' }] }, 'messages[0].role'],
    [chat('hi', { n: 0 }), 'n'],
    [chat('hi', { max_tokens: 'many' }), 'max_tokens'],
    [chat('hi', { stream: 'yes' }), 'stream'],
    [chat('hi', { stream_options: { include_usage: true } }), 'stream_options'],
    [chat('hi', { tool_choice: 'required' }), 'tool_choice'],
    [chat('hi', { response_format: { type: 'xml' } }), 'response_format'],
    [chat('hi', { sim: { ttft: 5 } }), 'sim.ttft'],
    [chat('hi', { sim: { slots: 5 } }), 'sim.slots'],
    [chat('hi', { sim: { fault: { status: 200 } } }), 'sim.fault.status'],
  ])('answers 400 naming the field for %j', async (body, param) => {
    const { url } = await startSimulator()
    const { status, text } = await call(url, path, body)
    expect(status).toBe(400)
    expect(JSON.parse(text)).toMatchObject({ error: { type: 'invalid_request_error', param } })
  })
})
