import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listModels } from '../src/index.ts'
import { call, createBench, createRecorder, failureOf, kinds, patientTimeouts, silentSink, until } from './support.ts'

const weatherTool = {
  type: 'function',
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}

describe.each(kinds)('the $name provider', (kind) => {
  const { abilities } = kind
  let bench: Awaited<ReturnType<typeof createBench>>
  beforeEach(async () => {
    bench = await createBench()
  })
  afterEach(() => bench.close())

  describe('answers', () => {
    it('streams text token by token, with finish reason and usage', async () => {
      bench.simulator.script('sim', { text: 'One two three.' })
      const sink = createRecorder()
      const outcome = await bench.provider(kind).chat(call({}), sink)
      expect(sink.said).toBe('One two three.')
      expect(sink.calls).toBeGreaterThanOrEqual(4)
      expect(sink.heard).toEqual([{ index: 0, finish_reason: 'stop' }])
      expect(outcome.finishReason).toBe('stop')
      if (abilities.streamUsage) expect(outcome.usage).toMatchObject({ completionTokens: 4 })
      expect(outcome.usage.promptTokens).toBeGreaterThan(0)
      expect(outcome.usage.estimated).toBe(abilities.streamUsage ? undefined : true)
      expect(outcome.result).toBeUndefined()
    })

    it('gives the whole object when it does not stream, and tells the sink nothing', async () => {
      bench.simulator.script('sim', { text: 'One two three.' })
      const sink = createRecorder()
      const outcome = await bench.provider(kind).chat(call({}, { stream: false }), sink)
      expect(outcome.result).toMatchObject({
        object: 'chat.completion',
        choices: [{ index: 0, message: { role: 'assistant', content: 'One two three.' }, finish_reason: 'stop' }],
      })
      expect(outcome.finishReason).toBe('stop')
      expect(outcome.usage).toMatchObject({ completionTokens: 4 })
      expect(sink.calls).toBe(0)
    })

    it('streams and gives legacy text completions', async () => {
      bench.simulator.script('sim', { text: 'once upon a time' })
      const sink = createRecorder()
      const provider = bench.provider(kind)
      const streamed = await provider.text(call({ messages: undefined, prompt: 'Begin:' }), sink)
      expect(sink.said).toBe('once upon a time')
      expect(streamed.finishReason).toBe('stop')
      const whole = await provider.text(call({ messages: undefined, prompt: 'Begin:' }, { stream: false }), sink)
      expect(whole.result).toMatchObject({
        object: 'text_completion',
        choices: [{ index: 0, text: 'once upon a time', finish_reason: 'stop' }],
      })
    })

    it('reports length when the limit of tokens ends the answer', async () => {
      bench.simulator.script('sim', { tokens: 40 })
      const outcome = await bench.provider(kind).chat(call({ max_tokens: 5 }), silentSink)
      expect(outcome.finishReason).toBe('length')
      if (abilities.streamUsage) expect(outcome.usage.completionTokens).toBe(5)
    })

    it('takes characters apart at any byte', async () => {
      const text = 'Grüße, 世界! 👩‍🚀🦜 ἀρχή — конец.'
      bench.simulator.script('sim', { text, slowBody: { bytes: 17, everyMs: 1 } })
      const sink = createRecorder()
      await bench.provider(kind).chat(call({}), sink)
      expect(sink.said).toBe(text)
      const whole = await bench.provider(kind).chat(call({}, { stream: false }), silentSink)
      expect(whole.result).toMatchObject({ choices: [{ message: { content: text } }] })
    })

    it('hands calls of tools on, and the arguments join to what the model wrote', async () => {
      bench.simulator.script('sim', {
        toolCalls: [
          { name: 'weather', arguments: { city: 'Ulm' } },
          { name: 'weather', arguments: { city: 'Bern' } },
        ],
      })
      const sink = createRecorder()
      const outcome = await bench.provider(kind).chat(call({ tools: [weatherTool] }), sink)
      expect(outcome.finishReason).toBe('tool_calls')
      expect(sink.said).toBe('')
      const args = ['', '']
      const ids = new Set<unknown>()
      for (const { delta } of sink.heard) {
        for (const part of (delta?.['tool_calls'] ?? []) as {
          index: number
          id?: string
          function: { arguments: string }
        }[]) {
          args[part.index] += part.function.arguments
          if (part.id !== undefined) ids.add(part.id)
        }
      }
      expect(args.map((text) => JSON.parse(text))).toEqual([{ city: 'Ulm' }, { city: 'Bern' }])
      expect(ids.size).toBe(2)
    })

    it('hands reasoning on as reasoning_content, apart from the text', async () => {
      bench.simulator.script('sim', { text: 'Yes.', reasoning: 'let me think' })
      const sink = createRecorder()
      await bench.provider(kind).chat(call({}), sink)
      expect(sink.said).toBe('Yes.')
      expect(sink.heard.map(({ delta }) => delta?.['reasoning_content'] ?? '').join('')).toBe('let me think')
    })

    it.skipIf(!abilities.mayOmitUsage)('estimates the usage and says so when the upstream reports none', async () => {
      bench.simulator.script('sim', { text: 'One two three four five.', noUsage: true })
      const provider = bench.provider(kind)
      const streamed = await provider.chat(call({}), silentSink)
      expect(streamed.usage.estimated).toBe(true)
      expect(streamed.usage.completionTokens).toBeGreaterThan(3)
      expect(streamed.usage.promptTokens).toBeGreaterThan(5)
      const whole = await provider.chat(call({}, { stream: false }), silentSink)
      expect(whole.usage.estimated).toBe(true)
    })

    it.skipIf(!abilities.embeddings)('embeds one text and several, as floats and as base64', async () => {
      const provider = bench.provider(kind)
      const embed = (request: Record<string, unknown>) => {
        const { request: body, signal, requestId } = call({ messages: undefined, ...request })
        return provider.embed({ request: body, signal, requestId })
      }
      const { dimensions } = abilities
      const one = await embed({ input: 'a river', dimensions })
      expect(one.result).toMatchObject({ object: 'list', data: [{ object: 'embedding', index: 0 }] })
      expect(one.usage.promptTokens).toBeGreaterThan(0)
      expect(one.usage.completionTokens).toBe(0)
      const [first] = one.result['data'] as { embedding: number[] }[]
      expect(first?.embedding).toHaveLength(dimensions)
      const several = await embed({ input: ['a river', 'a hill', 'a lake'], dimensions, encoding_format: 'base64' })
      const data = several.result['data'] as { embedding: string; index: number }[]
      expect(data.map(({ index }) => index)).toEqual([0, 1, 2])
      const bytes = Buffer.from(data[0]?.embedding ?? '', 'base64')
      expect(bytes.readFloatLE(0)).toBeCloseTo(first?.embedding[0] ?? Number.NaN, 5)
    })

    it('sends the upstream its own name for the model, and its key', async () => {
      await bench.provider(kind, { model: 'sim-7b', apiKey: 'sk-very-secret-key' }).chat(call({}), silentSink)
      const request = bench.lastRequest()
      if (abilities.modelIn === 'body') expect(bench.lastBody()['model']).toBe('sim-7b')
      else expect(request?.path).toMatch(/sim-7b/)
      const [header, before] = abilities.keyHeader
      expect(request?.headers[header]).toMatch(new RegExp(`^${before}\\*\\*\\*`))
      expect(request?.headers['x-request-id']).toMatch(/^req-1/)
    })

    it("sends the call's model where a wildcard matched one", async () => {
      const provider = bench.provider(kind, { model: 'sim-*' })
      const whole = await provider.chat(call({ max_tokens: 2 }, { stream: false, model: 'sim-13b' }), silentSink)
      expect(whole.finishReason).toBe('length')
      if (abilities.modelIn === 'body') expect(bench.lastBody()['model']).toBe('sim-13b')
      else expect(bench.lastRequest()?.path).toMatch(/sim-13b/)
    })

    it.skipIf(abilities.seed === undefined)('sends the seed where the upstream looks for it', async () => {
      await bench.provider(kind).chat(call({ seed: 4711 }), silentSink)
      const found = (abilities.seed ?? []).reduce<unknown>(
        (value, field) => (value as Record<string, unknown> | undefined)?.[field],
        bench.lastBody(),
      )
      expect(found).toBe(4711)
    })

    it.skipIf(!abilities.continues)('goes on with a given beginning, and tells only what is new', async () => {
      const text = 'One two three four five six.'
      bench.simulator.script('sim', { text })
      const provider = bench.provider(kind)
      expect(provider.continuesPrefix).toBe(true)
      for (const given of ['One two', 'One two three four fi', 'O']) {
        const sink = createRecorder()
        const outcome = await provider.chat(call({}, { continueFrom: given }), sink)
        expect(given + sink.said).toBe(text)
        expect(outcome.finishReason).toBe('stop')
        const whole = await provider.chat(call({}, { stream: false, continueFrom: given }), silentSink)
        expect(whole.result).toMatchObject({ choices: [{ message: { content: text.slice(given.length) } }] })
      }
      expect(bench.simulator.stats().total.continued).toBe(6)
    })

    it('takes an empty beginning for none', async () => {
      bench.simulator.script('sim', { text: 'One two.' })
      const sink = createRecorder()
      await bench.provider(kind).chat(call({}, { continueFrom: '' }), sink)
      expect(sink.said).toBe('One two.')
    })

    it('does not begin to go on where it cannot', async () => {
      const provider = bench.provider(kind)
      expect(provider.continuesPrefix).toBe(abilities.continues)
      const cannot = [
        ...(abilities.continues ? [] : [provider.chat(call({}, { continueFrom: 'One' }), silentSink)]),
        provider.chat(call({ n: 2 }, { continueFrom: 'One' }), silentSink),
        provider.text(call({ messages: undefined, prompt: 'x' }, { continueFrom: 'One' }), silentSink),
      ]
      for (const refused of cannot) expect((await failureOf(refused)).code).toBe('internal_error')
      expect(bench.simulator.stats().total.calls).toBe(0)
    })

    it('probes with the smallest call, and rejects as any call does', async () => {
      const provider = bench.provider(kind)
      const { signal } = new AbortController()
      await provider.probe({ mode: 'chat', signal })
      expect(bench.simulator.stats().total).toMatchObject({ calls: 1, completed: 1 })
      expect(bench.simulator.stats().total.generatedTokens).toBeLessThanOrEqual(16)
      if (abilities.embeddings) await provider.probe({ mode: 'embedding', signal, model: 'sim-embed' })
      bench.simulator.script('sim', { fault: 503 })
      expect((await failureOf(provider.probe({ mode: 'chat', signal }))).code).toBe('upstream_overloaded')
      bench.simulator.script('sim', { fault: null, hang: 'before-headers' })
      const controller = new AbortController()
      const hanging = provider.probe({ mode: 'chat', signal: controller.signal })
      await until(() => bench.simulator.stats().total.running === 1)
      controller.abort(new Error('too late'))
      await expect(hanging).rejects.toThrow('too late')
      await until(() => bench.simulator.stats().total.aborted === 1)
    })

    it('answers a hundred calls at once over fewer connections', async () => {
      bench.simulator.script('sim', { tokens: 20, interTokenMs: 1 })
      const provider = bench.provider(kind, {}, { connections: 25 })
      const outcomes = await Promise.all(Array.from({ length: 100 }, () => provider.chat(call({}), silentSink)))
      if (abilities.streamUsage) expect(outcomes.every(({ usage }) => usage.completionTokens === 20)).toBe(true)
      expect(bench.simulator.stats().total).toMatchObject({ calls: 100, completed: 100, aborted: 0 })
      expect(bench.simulator.stats().total.maxConcurrency).toBeLessThanOrEqual(25)
    })

    it.skipIf(!abilities.modelList)('lists the models of the upstream', async () => {
      bench.simulator.script('listed', {})
      const models = await listModels(kind.upstream(bench.simulator.url), { timeoutMs: 30_000 })
      expect(models.some((name) => name.startsWith('listed'))).toBe(true)
    })
  })

  describe('fails', () => {
    it.each([
      [
        { status: 429, retryAfterS: 7 },
        { code: 'rate_limit_exceeded', retryAfterSeconds: 7 },
      ],
      [
        { status: 503, retryAfterS: 2 },
        { code: 'upstream_overloaded', retryAfterSeconds: 2 },
      ],
      [{ status: 529 }, { code: 'upstream_overloaded' }],
      [{ status: 401 }, { code: 'upstream_authentication' }],
      [{ status: 403 }, { code: 'upstream_authentication' }],
      [{ status: 404 }, { code: 'upstream_not_found' }],
      [
        { status: 400, message: 'top_p is odd' },
        { code: 'upstream_invalid_request', message: 'top_p is odd' },
      ],
      [{ status: 422 }, { code: 'upstream_invalid_request' }],
      [{ status: 400, code: 'context_length_exceeded' }, { code: 'context_length_exceeded' }],
      [{ status: 500 }, { code: 'upstream_error' }],
      [
        { status: 502, body: '<html>Bad gateway</html>' },
        { code: 'upstream_error', message: 'The upstream answered 502.' },
      ],
      [{ status: 504 }, { code: 'upstream_timeout' }],
    ])('with the code that belongs to %o', async (fault, expected) => {
      bench.simulator.script('sim', { fault })
      const provider = bench.provider(kind)
      for (const stream of [true, false]) {
        const error = await failureOf(provider.chat(call({}, { stream }), silentSink))
        expect(error.detail).toMatchObject(expected)
        expect(error.detail.upstream?.status).toBe(fault.status)
      }
      if (!abilities.embeddings) return
      const { request, signal, requestId } = call({ messages: undefined, input: 'x' })
      expect((await failureOf(provider.embed({ request, signal, requestId }))).code).toBe(expected.code)
    })

    it('with context_length_exceeded when the prompt is too long', async () => {
      bench.simulator.script('sim', { contextTokens: 3 })
      expect((await failureOf(bench.provider(kind).chat(call({}), silentSink))).code).toBe('context_length_exceeded')
    })

    it('with upstream_overloaded when the queue of the upstream is full', async () => {
      bench.simulator.script('sim', { slots: 1, maxQueued: 0, hang: 'before-first-token' })
      const provider = bench.provider(kind)
      const controller = new AbortController()
      const first = provider.chat(call({}, { signal: controller.signal }), silentSink)
      await until(() => bench.simulator.stats().total.running === 1)
      expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe('upstream_overloaded')
      controller.abort(new Error('enough'))
      await expect(first).rejects.toThrow('enough')
    })

    it('with upstream_unreachable when nobody listens', async () => {
      const { url } = bench.simulator
      await bench.simulator.stop()
      const error = await failureOf(bench.provider(kind, kind.upstream(url)).chat(call({}), silentSink))
      expect(error.code).toBe('upstream_unreachable')
      if (!abilities.modelList) return
      const listed = listModels(kind.upstream(url), { timeoutMs: 500 })
      expect((await failureOf(listed)).code).toBe('upstream_unreachable')
    })

    it('with upstream_unreachable when the connection is reset before anything', async () => {
      bench.simulator.script('sim', { cutAfter: 0 })
      for (const stream of [true, false]) {
        const error = await failureOf(bench.provider(kind).chat(call({}, { stream }), silentSink))
        expect(error.code).toBe('upstream_unreachable')
      }
    })

    it('with upstream_timeout when no first token comes, and the upstream sees the connection go', async () => {
      for (const hang of ['before-headers', 'before-first-token'] as const) {
        bench.simulator.reset()
        bench.simulator.script('sim', { hang })
        const provider = bench.provider(kind, { timeouts: { ...patientTimeouts, firstTokenMs: 60, responseMs: 60 } })
        expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe('upstream_timeout')
        expect((await failureOf(provider.chat(call({}, { stream: false }), silentSink))).code).toBe('upstream_timeout')
        await until(() => bench.simulator.stats().total.aborted === 2)
      }
    })

    it('with upstream_timeout when the stream falls silent, after handing on what came', async () => {
      bench.simulator.script('sim', { text: 'one two three four', hang: { afterTokens: 2 } })
      const provider = bench.provider(kind, { timeouts: { ...patientTimeouts, idleMs: 60 } })
      const sink = createRecorder()
      expect((await failureOf(provider.chat(call({}), sink))).code).toBe('upstream_timeout')
      expect(sink.said).toBe('one two')
      await until(() => bench.simulator.stats().total.aborted === 1)
    })

    it('with upstream_timeout when the body trickles too slowly for a token', async () => {
      bench.simulator.script('sim', { tokens: 50, slowBody: { bytes: 1, everyMs: 5 } })
      const provider = bench.provider(kind, { timeouts: { ...patientTimeouts, firstTokenMs: 100 } })
      expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe('upstream_timeout')
    })

    it('does not take a slow but steady stream for a silent one', async () => {
      bench.simulator.script('sim', { tokens: 40, interTokenMs: 20 })
      const provider = bench.provider(kind, { timeouts: { ...patientTimeouts, firstTokenMs: 500, idleMs: 500 } })
      const { usage } = await provider.chat(call({}), silentSink)
      if (abilities.streamUsage) expect(usage.completionTokens).toBe(40)
    })

    it('with upstream_malformed for a broken chunk and for a broken body', async () => {
      bench.simulator.script('sim', { tokens: 6, malformedAfter: 3 })
      const provider = bench.provider(kind)
      const sink = createRecorder()
      expect((await failureOf(provider.chat(call({}), sink))).code).toBe('upstream_malformed')
      expect(sink.said).not.toBe('')
      expect((await failureOf(provider.chat(call({}, { stream: false }), sink))).code).toBe('upstream_malformed')
    })

    it('with upstream_interrupted when the connection is cut in the middle', async () => {
      bench.simulator.script('sim', { text: 'one two three four', cutAfter: 2 })
      const provider = bench.provider(kind)
      const sink = createRecorder()
      expect((await failureOf(provider.chat(call({}), sink))).code).toBe('upstream_interrupted')
      expect(sink.said).toBe('one two')
      expect((await failureOf(provider.chat(call({}, { stream: false }), sink))).code).toBe('upstream_interrupted')
    })

    it('with upstream_error for an error inside a stream', async () => {
      bench.simulator.script('sim', { text: 'one two three', errorAfter: 2 })
      const sink = createRecorder()
      expect((await failureOf(bench.provider(kind).chat(call({}), sink))).code).toBe('upstream_error')
      expect(sink.said).toBe('one two')
    })

    it('with output_too_large for an answer beyond the bound, and stops the upstream', async () => {
      bench.simulator.script('sim', { tokens: 30_000, interTokenMs: 0.05 })
      const provider = bench.provider(kind, {}, { maxResponseBytes: 50_000 })
      expect((await failureOf(provider.chat(call({}), silentSink))).code).toBe('output_too_large')
      await until(() => bench.simulator.stats().total.aborted === 1)
    })

    it('never tells the key, however the upstream quotes it', async () => {
      const apiKey = 'my-private-key-000111222'
      const provider = bench.provider(kind, { apiKey, headers: { 'x-tenant-token': 'tenant-token-333444' } })
      for (const status of [400, 401, 403, 404, 429, 500, 503]) {
        bench.simulator.script('sim', {
          fault: { status, message: `bad ${apiKey} and tenant-token-333444, sk-abcdefgh12345` },
        })
        const error = await failureOf(provider.chat(call({}), silentSink))
        expect(JSON.stringify(error.detail) + error.message).not.toMatch(/private|333444|sk-abc/)
      }
    })
  })

  describe('ends', () => {
    it('with the reason of the signal, and the upstream sees the connection go', async () => {
      bench.simulator.script('sim', { tokens: 500, interTokenMs: 10 })
      const controller = new AbortController()
      const reason = new Error('the client left')
      const sink = createRecorder()
      const running = bench.provider(kind).chat(call({}, { signal: controller.signal }), sink)
      await until(() => sink.calls > 2)
      controller.abort(reason)
      await expect(running).rejects.toBe(reason)
      await until(() => bench.simulator.stats().total.aborted === 1)
      const { calls } = sink
      await bench.provider(kind).chat(call({ max_tokens: 2 }), silentSink)
      expect(sink.calls).toBe(calls)
    })

    it('with the reason of the signal while it waits for the first byte, for a connection, and before it began', async () => {
      bench.simulator.script('sim', { hang: 'before-headers' })
      const provider = bench.provider(kind, {}, { connections: 1 })
      const [first, second] = [new AbortController(), new AbortController()]
      const holding = provider.chat(call({}, { signal: first.signal, stream: false }), silentSink)
      const waiting = provider.chat(call({}, { signal: second.signal }), silentSink)
      await until(() => bench.simulator.stats().total.running === 1)
      second.abort(new Error('second'))
      await expect(waiting).rejects.toThrow('second')
      first.abort(new Error('first'))
      await expect(holding).rejects.toThrow('first')
      await expect(provider.chat(call({}, { signal: first.signal }), silentSink)).rejects.toThrow('first')
      await until(() => bench.simulator.stats().total.aborted === 1)
      expect(bench.simulator.stats().total.calls).toBe(1)
    })

    it('with what the sink throws, and the upstream sees the connection go', async () => {
      bench.simulator.script('sim', { tokens: 500, interTokenMs: 5 })
      const fault = new RangeError('full')
      const sink = {
        text: () => {
          throw fault
        },
        deltas: () => undefined,
      }
      await expect(bench.provider(kind).chat(call({}), sink)).rejects.toBe(fault)
      await until(() => bench.simulator.stats().total.aborted === 1)
    })

    it('leaves the connection usable for the next call', async () => {
      const provider = bench.provider(kind, {}, { connections: 1 })
      bench.simulator.script('sim', { tokens: 3 })
      for (let round = 0; round < 5; round += 1) await provider.chat(call({}), silentSink)
      bench.simulator.script('sim', { fault: 500 })
      await failureOf(provider.chat(call({}), silentSink))
      bench.simulator.script('sim', { fault: null })
      await provider.chat(call({}, { stream: false }), silentSink)
      expect(bench.simulator.stats().total.calls).toBe(7)
    })

    it('when it is closed, with upstream_interrupted for what was in flight', async () => {
      bench.simulator.script('sim', { tokens: 500, interTokenMs: 10 })
      const provider = bench.provider(kind)
      const sink = createRecorder()
      const running = failureOf(provider.chat(call({}), sink))
      await until(() => sink.calls > 1)
      await provider.close()
      expect((await running).code).toBe('upstream_interrupted')
      await until(() => bench.simulator.stats().total.aborted === 1)
      expect((await failureOf(provider.chat(call({}), sink))).code).toBe('upstream_interrupted')
    })
  })
})
