import { describe, expect, it } from 'vitest'
import { startSimulator, until } from './support.ts'
import { askOn, openOn, readOn, wires } from './wires.ts'

const forms = [{ stream: false }, { stream: true }]

describe.each(wires)('the wire of $title', (wire) => {
  it('says the same whole and streamed, and counts its tokens', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'One "two", drei Grüße.' } } })
    for (const form of forms) {
      const { text, finish, usage } = await readOn(wire, url, form)
      expect(text).toBe('One "two", drei Grüße.')
      expect(finish).toBe(wire.ends.stop)
      expect(usage).toEqual({ prompt: 1, completion: 6, cached: 0 })
    }
  })

  it('reports the usage of the script, or none', async () => {
    const usage = { prompt_tokens: 100, completion_tokens: 7, prompt_tokens_details: { cached_tokens: 40 } }
    const { url } = await startSimulator({ models: { m: { usage } } })
    for (const form of forms) {
      const cached = wire.wire === 'ollama' ? 0 : 40
      expect((await readOn(wire, url, form)).usage).toEqual({ prompt: 100, completion: 7, cached })
      expect((await readOn(wire, url, { ...form, sim: { noUsage: true } })).usage).toBeUndefined()
    }
  })

  it('reasons before it answers', async () => {
    const { url } = await startSimulator({ models: { m: { reasoning: 'Let me think.', text: 'Done.' } } })
    for (const form of forms) {
      expect(await readOn(wire, url, form)).toMatchObject({
        reasoning: 'Let me think.',
        text: 'Done.',
        usage: { completion: 6 },
      })
    }
  })

  it('calls tools, in a row, also with arguments that are broken', async () => {
    const toolCalls = [
      { name: 'look', arguments: { city: 'Vienna, Austria', size: 2 } },
      { name: 'look', arguments: '{"city":' },
    ]
    const { url } = await startSimulator({ models: { m: { toolCalls, reasoning: 'I look.' } } })
    for (const form of forms) {
      const { calls, finish, reasoning } = await readOn(wire, url, { ...form, tool: 'offered' })
      expect(calls.map(({ name }) => name)).toEqual(['look', 'look'])
      expect(calls.map((call) => call.arguments)).toEqual(['{"city":"Vienna, Austria","size":2}', '{"city":'])
      expect([finish, reasoning]).toEqual([wire.ends.tool, 'I look.'])
    }
  })

  it.skipIf(wire.wire === 'ollama')('calls a required tool after its schema, or with broken arguments', async () => {
    const { url } = await startSimulator()
    for (const form of forms) {
      const good = await readOn(wire, url, { ...form, tool: 'required' })
      expect(JSON.parse(good.calls[0]?.arguments ?? '')).toEqual({ city: expect.any(String) as string, size: 42 })
      const bad = await readOn(wire, url, { ...form, tool: 'required', sim: { brokenJson: true } })
      expect(() => JSON.parse(bad.calls[0]?.arguments ?? '') as unknown).toThrow(SyntaxError)
    }
  })

  it('answers in JSON when asked to, or in text that is none', async () => {
    const { url } = await startSimulator()
    const good = await readOn(wire, url, { json: true })
    expect(JSON.parse(good.text)).toEqual({ city: expect.any(String) as string, size: 42 })
    const bad = await readOn(wire, url, { json: true, sim: { brokenJson: true } })
    expect(bad.text).toMatch(/^\{"city"/)
    expect(() => JSON.parse(bad.text) as unknown).toThrow(SyntaxError)
  })

  it('says in its own words why an answer ends', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'one two three four' } } })
    for (const form of forms) {
      const cut = await readOn(wire, url, { ...form, maxTokens: 2 })
      expect([cut.text, cut.finish]).toEqual(['one two', wire.ends.length])
      const stopped = await readOn(wire, url, { ...form, stop: ['four', ' three'] })
      expect([stopped.text, stopped.finish]).toEqual(['one two', wire.ends.stopSequence])
      const filtered = await readOn(wire, url, { ...form, sim: { finishReason: 'content_filter' } })
      expect(filtered.finish).toBe(wire.ends.filter)
      const other = await readOn(wire, url, { ...form, sim: { finishReason: 'something' } })
      expect(other.finish).toBe('something')
    }
  })

  it('refuses to answer in the form of the vendor', async () => {
    const { url } = await startSimulator({ models: { m: { refusal: 'I cannot help.' } } })
    for (const form of forms) {
      const { text, refusal, finish } = await readOn(wire, url, form)
      expect(finish).toBe(wire.ends.refusal)
      // Where a wire has no place for a refusal's words, they are either the text or not sent.
      const asText = wire.wire === 'ollama' || wire.wire === 'cohere'
      const silent = wire.wire === 'gemini' || wire.wire === 'bedrock'
      expect([text, refusal]).toEqual(asText ? ['I cannot help.', ''] : ['', silent ? '' : 'I cannot help.'])
    }
  })

  it('blocks a prompt in the form of the vendor', async () => {
    const { url, stats } = await startSimulator({ models: { m: { contentFilter: true } } })
    const answers = wire.wire === 'gemini' || wire.wire === 'bedrock'
    for (const form of forms) {
      if (answers) {
        const expected = wire.wire === 'gemini' ? 'SAFETY' : 'guardrail_intervened'
        expect((await readOn(wire, url, form)).finish).toBe(expected)
      } else {
        const { status, text } = await askOn(wire, url, form)
        expect(status).toBe(400)
        expect(wire.errorMessage(JSON.parse(text))).toMatch(/filter/)
      }
    }
    expect(stats().wires[wire.wire]).toMatchObject({
      calls: 2,
      faults: 2,
      ...(answers ? { completed: 2 } : { failed: 2 }),
    })
  })

  it('refuses a prompt longer than the context in words that tell it', async () => {
    const { url, stats } = await startSimulator({ models: { m: { contextTokens: 5 } } })
    const { status, text } = await askOn(wire, url, { maxTokens: 10 })
    expect(status).toBe(400)
    expect(wire.errorMessage(JSON.parse(text))).toMatch(/context|too long|too many tokens|exceeds the maximum/)
    expect(stats().wires[wire.wire]).toMatchObject({ calls: 1, rejected: 1 })
    const sim = { fault: { status: 400, code: 'context_length_exceeded' } }
    const scripted = await askOn(wire, url, { sim })
    expect(wire.errorMessage(JSON.parse(scripted.text))).toMatch(/context|too long|too many tokens|exceeds the maximum/)
  })

  it('answers the statuses of the script and says when to try again', async () => {
    const { url } = await startSimulator()
    for (const form of forms) {
      for (const status of [400, 401, 403, 404, 429, 500, 502, 503, 529]) {
        const answer = await askOn(wire, url, { ...form, sim: { fault: { status, retryAfterS: 7 } } })
        expect(answer.status).toBe(status)
        expect(wire.errorMessage(JSON.parse(answer.text))).not.toBe('')
        if (wire.wire === 'gemini') expect(answer.text).toContain('"retryDelay":"7s"')
        expect(answer.headers['retry-after']).toBe(wire.wire === 'gemini' ? undefined : '7')
      }
    }
    const worded = await askOn(wire, url, { sim: { fault: { status: 500, message: 'in my words' } } })
    expect(wire.errorMessage(JSON.parse(worded.text))).toBe('in my words')
  })

  it('falls silent, and counts the client that leaves', async () => {
    const { url, stats } = await startSimulator()
    const hangs = ['before-headers', 'before-first-token', { afterTokens: 2 }]
    const calls = forms.flatMap((form) => hangs.map((hang) => openOn(wire, url, { ...form, sim: { hang } })))
    await until(() => stats().wires[wire.wire].running === calls.length)
    for (const { request } of calls) request.destroy()
    await until(() => stats().wires[wire.wire].aborted === calls.length)
    expect(stats().wires[wire.wire]).toMatchObject({ calls: 6, faults: 6, running: 0, maxConcurrency: 6 })
  })

  it('puts a chunk between the others that cannot be read', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b c', malformedAfter: 1 } } })
    for (const form of forms) await expect(readOn(wire, url, form)).rejects.toThrow(SyntaxError)
    const { chunks, complete } = await askOn(wire, url, { stream: true })
    expect(complete).toBe(true)
    expect(Buffer.concat(chunks).toString()).toMatch(/ b[\s\S]* c/)
  })

  it('cuts the connection after the tokens it has sent', async () => {
    const { url, stats } = await startSimulator({ models: { m: { text: 'a b c d', interTokenMs: 1, cutAfter: 3 } } })
    const { chunks, complete } = await askOn(wire, url, { stream: true })
    expect(complete).toBe(false)
    expect(wire.read.stream(Buffer.concat(chunks)).text).toBe('a b c')
    expect((await askOn(wire, url)).complete).toBe(false)
    expect(stats().wires[wire.wire]).toMatchObject({ calls: 2, failed: 2, aborted: 0 })
  })

  it('sends an error in the middle of a stream, and a 500 instead of a whole answer', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b c', errorAfter: 2 } } })
    const { text, error, finish } = await readOn(wire, url, { stream: true })
    expect([text, finish]).toEqual(['a b', wire.wire === 'cohere' ? 'ERROR' : undefined])
    expect(error).toMatch(/error/i)
    expect((await askOn(wire, url)).status).toBe(500)
  })

  it('dribbles the body, whatever that splits', async () => {
    const slowBody = { bytes: 61, everyMs: 1 }
    const { url } = await startSimulator({ models: { m: { text: 'Grüße, Grüße.', slowBody } } })
    for (const form of forms) expect((await readOn(wire, url, form)).text).toBe('Grüße, Grüße.')
    expect((await askOn(wire, url, { stream: true })).chunks.length).toBeGreaterThan(3)
  })

  it('takes its time before and between tokens', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b c', ttftMs: 20, interTokenMs: 10 } } })
    for (const form of forms) {
      const began = performance.now()
      expect((await readOn(wire, url, form)).text).toBe('a b c')
      expect(performance.now() - began).toBeGreaterThanOrEqual(39)
    }
  })

  it('answers 503, or what the vendor calls it, when its queue is full', async () => {
    const { url, stats } = await startSimulator({ models: { m: { slots: 1, maxQueued: 0 } } })
    const held = openOn(wire, url, { sim: { hang: 'before-headers' } })
    await until(() => stats().total.running === 1)
    expect((await askOn(wire, url)).status).toBe(wire.wire === 'anthropic' ? 529 : 503)
    held.request.destroy()
    await until(() => stats().total.aborted === 1)
    expect(stats().models['m']).toMatchObject({ calls: 2, rejected: 1, aborted: 1 })
  })

  it.runIf(wire.continues)('continues a prefix with the rest alone, and counts that it did', async () => {
    const text = 'One two, three.'
    const { url, stats } = await startSimulator({ models: { m: { text, reasoning: 'Hm.' } } })
    for (const form of forms) {
      for (const prefix of ['O', 'One two', 'One two, thr', text]) {
        expect(await readOn(wire, url, { ...form, prefix })).toMatchObject({
          text: text.slice(prefix.length),
          reasoning: '',
        })
      }
      const other = await readOn(wire, url, { ...form, prefix: 'Two' })
      expect(other.text).toBe(text)
      const echoed = await readOn(wire, url, { ...form, prefix: 'One two', sim: { echoPrefix: true } })
      expect(echoed.text).toBe(text)
      await readOn(wire, url, form)
    }
    expect(stats().wires[wire.wire]).toMatchObject({ calls: 14, continued: 12 })
    expect(stats().models['m']).toMatchObject({ calls: 14, continued: 12 })
  })

  it.runIf(!wire.continues)('takes a last assistant turn as any other turn', async () => {
    const { url, stats } = await startSimulator({ models: { m: { text: 'One two.' } } })
    expect((await readOn(wire, url, { prefix: 'One' })).text).toBe('One two.')
    expect(stats().wires[wire.wire].continued).toBe(0)
  })

  it('counts each call by its wire and its model', async () => {
    const { url, stats, reset } = await startSimulator()
    await askOn(wire, url)
    await askOn(wire, url, { model: 'n', sim: { tokens: 5 } })
    const seen = stats()
    expect(Object.entries(seen.wires).filter(([, { calls }]) => calls > 0)).toEqual([
      [wire.wire, expect.objectContaining({ calls: 2, completed: 2 })],
    ])
    expect(seen.models['n']).toMatchObject({ calls: 1, generatedTokens: 5 })
    reset()
    expect(stats().wires[wire.wire]).toMatchObject({ calls: 0, maxConcurrency: 0 })
  })

  it('asks for the one key the server was given', async () => {
    const { url } = await startSimulator({ apiKey: 'secret' })
    const { status } = await askOn(wire, url)
    expect([400, 401, 403]).toContain(status)
    const replaced = Object.entries(wire.headers).map(([name, value]) => [name, value.replace(/\bk$/, 'secret')])
    const keyed = { ...wire, headers: { authorization: 'Bearer secret', ...Object.fromEntries(replaced) } }
    expect((await askOn(keyed, url)).status).toBe(200)
  })
})
