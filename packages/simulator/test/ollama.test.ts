import { describe, expect, it } from 'vitest'
import { call, chat, lines, open, startSimulator, until } from './support.ts'

interface Loaded {
  models: { name: string; expires_at: string; context_length: number }[]
}

describe('the Ollama wire', () => {
  it('streams lines as Ollama does and ends with the counts', async () => {
    const { url } = await startSimulator()
    const { text, headers } = await call(url, '/api/chat', chat('hi', { options: { sim: { text: 'a b' } } }))
    expect(headers['content-type']).toBe('application/x-ndjson')
    expect(headers['x-simulated']).toBe('true')
    const normal = text
      .replaceAll(/"created_at":"[^"]+"/g, '"created_at":"T"')
      .replaceAll(/("\w+_duration"):\d+/g, '$1:0')
    const line = (content: string, end: string) =>
      `{"model":"m","created_at":"T","message":{"role":"assistant","content":"${content}"},${end}}\n`
    expect(normal).toBe(
      line('a', '"done":false') +
        line(' b', '"done":false') +
        line(
          '',
          '"done":true,"done_reason":"stop","total_duration":0,"load_duration":0,' +
            '"prompt_eval_count":1,"prompt_eval_duration":0,"eval_count":2,"eval_duration":0',
        ),
    )
  })

  it('answers whole when asked not to stream, on chat and generate', async () => {
    const { url } = await startSimulator()
    const whole = JSON.parse((await call(url, '/api/chat', chat('hi', { stream: false }))).text) as { message: unknown }
    expect(whole).toMatchObject({ done: true, done_reason: 'stop', message: { role: 'assistant' } })
    const body = { model: 'm', prompt: 'hi', stream: false, options: { num_predict: 3 } }
    const generated = JSON.parse((await call(url, '/api/generate', body)).text) as { response: string }
    expect(generated).toMatchObject({ done: true, done_reason: 'length', eval_count: 3 })
    const streamed = lines((await call(url, '/api/generate', { ...body, stream: true })).text)
    expect(streamed.map(({ response }) => response).join('')).toBe(generated.response)
  })

  it('continues a trailing message of the assistant exactly', async () => {
    const { url } = await startSimulator()
    const ask = async (messages: unknown[]) => {
      const { text } = await call(url, '/api/chat', { model: 'm', messages })
      return lines(text)
        .map(({ message }) => message?.content)
        .join('')
    }
    const user = { role: 'user', content: 'hi' }
    const whole = await ask([user])
    expect(whole.slice(0, 17) + (await ask([user, { role: 'assistant', content: whole.slice(0, 17) }]))).toBe(whole)
  })

  it('thinks, calls tools and answers after a schema when asked', async () => {
    const toolCalls = [{ name: 'look', arguments: { at: 'Vienna' } }]
    const { url } = await startSimulator({ models: { m: { reasoning: 'Hmm.', toolCalls } } })
    const tools = [{ type: 'function', function: { name: 'look' } }]
    const called = lines((await call(url, '/api/chat', chat('hi', { tools }))).text)
    expect(called.map(({ message }) => message?.thinking ?? '').join('')).toBe('Hmm.')
    expect(called.flatMap(({ message }) => message?.tool_calls ?? [])).toEqual([
      { function: { index: 0, name: 'look', arguments: { at: 'Vienna' } } },
    ])
    const format = { type: 'object', properties: { ok: { const: 1 } } }
    const { text } = await call(url, '/api/chat', chat('hi', { stream: false, format }))
    expect(JSON.parse((JSON.parse(text) as { message: { content: string } }).message.content)).toEqual({ ok: 1 })
  })

  it('embeds as the OpenAI wire does', async () => {
    const { url } = await startSimulator()
    const ollama = JSON.parse((await call(url, '/api/embed', { model: 'e', input: ['x', 'y'] })).text) as {
      embeddings: number[][]
    }
    const openai = JSON.parse((await call(url, '/v1/embeddings', { model: 'e', input: 'x' })).text) as {
      data: { embedding: number[] }[]
    }
    expect(ollama).toMatchObject({ model: 'e', prompt_eval_count: 2 })
    expect(ollama.embeddings).toHaveLength(2)
    expect(ollama.embeddings[0]).toEqual(openai.data[0]?.embedding)
  })

  it('tells its version, models and what they can do', async () => {
    const { url } = await startSimulator({ models: { chatty: {}, 'my-embed:v2': {} } })
    expect((await call(url, '/')).text).toBe('Ollama is running')
    expect(JSON.parse((await call(url, '/api/version')).text)).toHaveProperty('version')
    const tags = JSON.parse((await call(url, '/api/tags')).text) as { models: { name: string }[] }
    expect(tags.models.map(({ name }) => name)).toEqual(['chatty:latest', 'my-embed:v2'])
    const show = async (model: string) => JSON.parse((await call(url, '/api/show', { model })).text) as unknown
    expect(await show('chatty:latest')).toMatchObject({ capabilities: ['completion', 'tools'] })
    expect(await show('my-embed:v2')).toMatchObject({ capabilities: ['embedding'] })
  })

  it('answers errors in its own form', async () => {
    const { url } = await startSimulator({ strictModels: true })
    const unknown = await call(url, '/api/chat', chat('hi'))
    expect(unknown.status).toBe(404)
    expect(Object.keys(JSON.parse(unknown.text) as object)).toEqual(['error'])
    expect((await call(url, '/api/chat', '{')).text).toBe(
      '{"error":"We could not parse the JSON body of your request."}',
    )
    expect((await call(url, '/api/chat', chat('hi', { keep_alive: 'soon' }))).status).toBe(400)
    expect((await call(url, '/api/nothing', {})).status).toBe(404)
  })
})

describe('models in memory', () => {
  const ask = (model: string, more: Record<string, unknown> = {}) => chat('hi', { model, stream: false, ...more })

  async function loaded(url: string): Promise<string[]> {
    const { models } = JSON.parse((await call(url, '/api/ps')).text) as Loaded
    return models.map(({ name }) => name)
  }

  it('makes the first call wait for the load, and the next one not', async () => {
    const { url, stats } = await startSimulator({ defaults: { swapMs: 60 } })
    const first = JSON.parse((await call(url, '/api/chat', ask('a'))).text) as { load_duration: number }
    const second = JSON.parse((await call(url, '/api/chat', ask('a'))).text) as { load_duration: number }
    expect(first.load_duration).toBeGreaterThanOrEqual(59e6)
    expect(second.load_duration).toBeLessThan(30e6)
    expect(stats().models['a']).toMatchObject({ loads: 1, swaps: 0 })
  })

  it('throws out the model longest idle when there is no room', async () => {
    const { url, stats } = await startSimulator({ maxLoaded: 2 })
    for (const model of ['a', 'b', 'a', 'c']) await call(url, '/api/chat', ask(model))
    expect(await loaded(url)).toEqual(['a:latest', 'c:latest'])
    expect(stats().total).toMatchObject({ loads: 3, swaps: 1 })
  })

  it('loads again under other load options, but not for other sampling options', async () => {
    const { url, stats } = await startSimulator()
    for (const options of [{}, { temperature: 1 }, { num_ctx: 8192 }, { num_ctx: 8192, seed: 1 }]) {
      await call(url, '/api/chat', ask('a', { options }))
    }
    expect(stats().total).toMatchObject({ loads: 2, swaps: 1 })
    const { models } = JSON.parse((await call(url, '/api/ps')).text) as Loaded
    expect(models[0]).toMatchObject({ name: 'a:latest', context_length: 8192 })
  })

  it('waits for a model in use before it swaps, first come first served', async () => {
    const { url, stats } = await startSimulator({ maxLoaded: 1 })
    const busy = open(url, '/api/chat', chat('hi', { model: 'a', sim: { hang: { afterTokens: 1 } } }))
    await until(() => busy.text() !== '')
    const waiting = open(url, '/api/chat', ask('b'))
    const behind = open(url, '/api/chat', ask('a'))
    await until(() => stats().total.calls === 3)
    expect(await loaded(url)).toEqual(['a:latest'])
    busy.request.destroy()
    expect((await waiting.answer).status).toBe(200)
    expect((await behind.answer).status).toBe(200)
    expect(stats().total).toMatchObject({ loads: 3, swaps: 2, completed: 2, aborted: 1 })
  })

  it('forgets a call that leaves while its model loads', async () => {
    const { url, stats } = await startSimulator({ defaults: { swapMs: 1_000 } })
    const leaving = open(url, '/api/chat', ask('a'))
    await until(() => stats().total.loads === 1)
    leaving.request.destroy()
    await until(() => stats().total.aborted === 1)
    expect((await call(url, '/api/chat', ask('a'))).status).toBe(200)
    expect(stats().total).toMatchObject({ calls: 2, completed: 1, aborted: 1, running: 0 })
  })

  it('keeps a model as long as it is told to', async () => {
    const { url } = await startSimulator()
    await call(url, '/api/chat', ask('gone', { keep_alive: 0 }))
    await call(url, '/api/chat', ask('short', { keep_alive: '20ms' }))
    await call(url, '/api/chat', ask('good', { keep_alive: -1 }))
    await until(async () => (await loaded(url)).join() === 'good:latest')
    const { models } = JSON.parse((await call(url, '/api/ps')).text) as Loaded
    expect(models[0]?.expires_at).toMatch(/^23/)
  })

  it('hands a model that is not kept at all to whoever waited for its load', async () => {
    const { url, stats } = await startSimulator({ defaults: { swapMs: 10 } })
    const body = ask('a', { keep_alive: 0 })
    const answers = await Promise.all([call(url, '/api/chat', body), call(url, '/api/chat', body)])
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(await loaded(url)).toEqual([])
    expect(stats().total).toMatchObject({ completed: 2, loads: 2 })
  })

  it('loads and unloads on request', async () => {
    const { url } = await startSimulator()
    const load = await call(url, '/api/generate', { model: 'a', keep_alive: '1h' })
    expect(JSON.parse(load.text)).toMatchObject({ done: true, done_reason: 'load', response: '' })
    expect(await loaded(url)).toEqual(['a:latest'])
    const unload = await call(url, '/api/generate', { model: 'a', keep_alive: 0 })
    expect(JSON.parse(unload.text)).toMatchObject({ done_reason: 'unload' })
    expect(await loaded(url)).toEqual([])
  })
})
