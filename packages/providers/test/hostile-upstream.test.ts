import { afterEach, describe, expect, it } from 'vitest'
import { listModels } from '../src/index.ts'
import {
  answering,
  closeAll,
  closing,
  event,
  eventHead,
  finishEvent,
  provider,
  saying,
  textEvent,
  usageEvent,
} from './hostile-server.ts'
import { call, createRecorder, failureOf, silentSink, until } from './support.ts'

afterEach(closeAll)

describe('a stream', () => {
  it('is complete when all choices have finished, though the upstream says no [DONE]', async () => {
    const url = await saying(`${eventHead}\r\n${textEvent('hi')}${finishEvent}${usageEvent}`)
    const outcome = await provider(url).chat(call({}), silentSink)
    expect(outcome).toEqual({ finishReason: 'stop', usage: { promptTokens: 3, completionTokens: 4 } })
  })

  it('is complete when the connection breaks or falls silent after the finish reason', async () => {
    const chunk = textEvent('hi') + finishEvent
    const head = `${eventHead}transfer-encoding: chunked\r\n\r\n${chunk.length.toString(16)}\r\n${chunk}\r\n`
    const broken = await saying(head, (socket) => setImmediate(() => socket.destroy()))
    const sink = createRecorder()
    expect((await provider(broken).chat(call({}), sink)).finishReason).toBe('stop')
    expect(sink.said).toBe('hi')
    const silent = await saying(head, () => undefined)
    const outcome = await provider(silent, 'openai', { idleMs: 50 }).chat(call({}), sink)
    expect(outcome).toMatchObject({ finishReason: 'stop', usage: { estimated: true } })
  })

  it('is interrupted when one of its choices has not finished', async () => {
    const other = event({ choices: [{ index: 1, delta: { content: 'other' } }] })
    const url = await saying(`${eventHead}\r\n${textEvent('hi')}${other}${finishEvent}`)
    expect((await failureOf(provider(url).chat(call({ n: 2 }), silentSink))).code).toBe('upstream_interrupted')
  })

  it('does not wait for an upstream that keeps the connection open after [DONE]', async () => {
    const url = await saying(`${eventHead}\r\n${textEvent('hi')}${finishEvent}data: [DONE]\n\n`, () => undefined)
    const outcome = await provider(url).chat(call({}), silentSink)
    expect(outcome.finishReason).toBe('stop')
  })

  it('times out although comments keep coming', async () => {
    const pings: NodeJS.Timeout[] = []
    const url = await saying(`${eventHead}\r\n`, (socket) => {
      pings.push(setInterval(() => socket.write(': still here\n\n'), 5))
    })
    closing.push(async () => pings.forEach(clearInterval))
    const silent = provider(url, 'openai', { firstTokenMs: 80 })
    expect((await failureOf(silent.chat(call({}), silentSink))).code).toBe('upstream_timeout')
  })

  it('takes an error sent as JSON, as an event and in a list, with the code it names', async () => {
    const cases: [string, string][] = [
      ['{"error":{"message":"m","type":"invalid_request_error","code":null}}', 'upstream_invalid_request'],
      [event({ error: { message: 'too many', type: 'rate_limit_error' } }), 'rate_limit_exceeded'],
      [event({ error: { message: 'm', code: 'context_length_exceeded' } }), 'context_length_exceeded'],
      [event({ object: 'error', message: 'm', code: 400 }), 'upstream_invalid_request'],
      [`event: error\n${event({ message: 'm' })}`, 'upstream_error'],
      ['<html>Sign in to the wireless network</html>', 'upstream_malformed'],
      ['', 'upstream_malformed'],
      ['data: 17\n\n', 'upstream_malformed'],
      [event({ choices: [{ index: -1, delta: {} }] }), 'upstream_malformed'],
      [event({ choices: [7] }), 'upstream_malformed'],
    ]
    for (const [body, code] of cases) {
      const url = await saying(`${eventHead}\r\n${body}`)
      expect([body, (await failureOf(provider(url).chat(call({}), silentSink))).code]).toEqual([body, code])
    }
  })

  it('hands on what is not plain text: log probabilities, other choices, unknown fields, a refusal', async () => {
    const events = [
      event({
        choices: [{ index: 0, delta: { role: 'assistant', content: '' }, logprobs: null, finish_reason: null }],
      }),
      event({
        choices: [
          { index: 1, delta: { role: 'assistant', content: 'b' } },
          { index: 0, delta: { content: 'a' } },
        ],
      }),
      event({ choices: [{ index: 0, delta: { content: 'x' }, logprobs: { content: [{ token: 'x' }] } }] }),
      event({ choices: [{ index: 0, delta: { refusal: 'no' } }] }),
      event({
        choices: [{ index: 0, delta: { content: 'end' }, finish_reason: 'stop', stop_reason: 7, token_ids: null }],
      }),
      event({ choices: [{ index: 1, delta: {}, finish_reason: 'length' }] }),
      'data: [DONE]\n\n',
    ]
    const sink = createRecorder()
    await provider(await saying(`${eventHead}\r\n${events.join('')}`)).chat(call({ n: 2 }), sink)
    expect(sink.said).toBe('aend')
    expect(sink.heard).toEqual([
      { index: 1, delta: { content: 'b' } },
      { index: 0, delta: { content: 'x' }, logprobs: { content: [{ token: 'x' }] } },
      { index: 0, delta: { refusal: 'no' } },
      { index: 0, finish_reason: 'stop', stop_reason: 7 },
      { index: 1, finish_reason: 'length' },
    ])
  })
})

describe('a whole answer', () => {
  it('that is an error in spite of its status is one', async () => {
    const url = await answering((_, response) => response.end('{"error":{"message":"no credit","code":429}}'))
    expect((await failureOf(provider(url).chat(call({}, { stream: false }), silentSink))).detail).toMatchObject({
      code: 'rate_limit_exceeded',
      upstream: { status: 429 },
    })
  })

  it.each(['', 'null', '[]', '{}', '{"choices":[]}', '{"choices":[1]}', '<html>'])(
    'of %j is malformed',
    async (body) => {
      const url = await answering((_, response) => response.end(body))
      for (const kind of ['openai', 'ollama'] as const) {
        const { code } = await failureOf(provider(url, kind).chat(call({}, { stream: false }), silentSink))
        expect(code).toBe('upstream_malformed')
        const { request, signal, requestId } = call({ input: 'a' })
        expect((await failureOf(provider(url, kind).embed({ request, signal, requestId }))).code).toBe(
          'upstream_malformed',
        )
      }
    },
  )

  it('with fewer embeddings than inputs is malformed', async () => {
    const url = await answering((_, response) => response.end('{"data":[{"embedding":[1]}],"embeddings":[[1]]}'))
    for (const kind of ['openai', 'ollama'] as const) {
      const { request, signal, requestId } = call({ input: ['a', 'b'] })
      expect((await failureOf(provider(url, kind).embed({ request, signal, requestId }))).code).toBe(
        'upstream_malformed',
      )
    }
  })
})

describe('a refusal', () => {
  it('without end is cut off after 64 KiB and still says what it began with', async () => {
    let closed = false
    const url = await answering((_, response) => {
      response.writeHead(500)
      const fill = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      }
      response.on('drain', fill)
      response.on('close', () => {
        closed = true
      })
      fill()
    })
    expect((await failureOf(provider(url).chat(call({}), silentSink))).detail).toMatchObject({
      code: 'upstream_error',
      message: 'The upstream answered 500.',
    })
    await until(() => closed)
  })

  it('that never sends its body is known by its status', async () => {
    const url = await answering((_, response) => {
      response.writeHead(429, { 'retry-after': '3' })
      response.flushHeaders()
    })
    const silent = provider(url, 'openai', { idleMs: 50 })
    expect((await failureOf(silent.chat(call({}), silentSink))).detail).toMatchObject({
      code: 'rate_limit_exceeded',
      retryAfterSeconds: 3,
    })
  })

  it('by redirect is not followed', async () => {
    let calls = 0
    const url = await answering((_, response) => {
      calls += 1
      response.writeHead(307, { location: '/elsewhere' }).end()
    })
    expect((await failureOf(provider(url).chat(call({}), silentSink))).code).toBe('upstream_not_found')
    expect(calls).toBe(1)
  })
})

describe('an upstream', () => {
  it('that does not speak HTTP is malformed', async () => {
    const url = await saying('SSH-2.0-OpenSSH_9.2\r\n')
    expect((await failureOf(provider(url).chat(call({}), silentSink))).code).toBe('upstream_malformed')
  })

  it('that takes the connection and hangs up is unreachable', async () => {
    const url = await saying('')
    expect((await failureOf(provider(url).chat(call({}), silentSink))).code).toBe('upstream_unreachable')
  })

  it('whose name does not resolve is unreachable', async () => {
    const nowhere = provider('http://nowhere.invalid')
    expect((await failureOf(nowhere.chat(call({}), silentSink))).code).toBe('upstream_unreachable')
  })

  it('that says nothing when asked for its models is given up in time', async () => {
    const url = await saying('', () => undefined)
    const listed = listModels({ provider: 'vllm', baseUrl: url }, { timeoutMs: 50 })
    expect((await failureOf(listed)).code).toBe('upstream_timeout')
    const signal = AbortSignal.abort(new Error('stopping'))
    await expect(listModels({ provider: 'ollama', baseUrl: url }, { timeoutMs: 50, signal })).rejects.toThrow(
      'stopping',
    )
  })

  it('gets no header from a request id that HTTP would not allow', async () => {
    let seen: unknown
    const url = await answering((request, response) => {
      seen = request.headers['x-request-id']
      response.writeHead(500).end()
    })
    await failureOf(provider(url).chat(call({}, { requestId: 'a\r\nb: c 💥' }), silentSink))
    expect(seen).toBe('ab:c')
  })

  it('gets the credentials of its address, unless it has a key', async () => {
    const seen: unknown[] = []
    const url = await answering((request, response) => {
      seen.push(request.headers.authorization)
      response.writeHead(400).end(JSON.stringify({ error: 'no, p@ssword-1' }))
    })
    const address = url.replace('http://', 'http://ann:p%40ssword-1@')
    const error = await failureOf(provider(address, 'ollama').chat(call({}), silentSink))
    expect(seen).toEqual([`Basic ${btoa('ann:p@ssword-1')}`])
    expect(error.message).toBe('no, ***')
  })

  it.each([
    ['openai', '', '/v1/chat/completions'],
    ['openai', '/openai/v1/', '/openai/v1/chat/completions'],
    ['openai', '/api/v3', '/api/v3/chat/completions'],
    ['vllm', '', '/v1/chat/completions'],
    ['vllm', '/gpu0', '/gpu0/v1/chat/completions'],
    ['vllm', '/gpu0/v1', '/gpu0/v1/chat/completions'],
    ['ollama', '', '/api/chat'],
    ['ollama', '/v1', '/api/chat'],
    ['ollama', '/box/', '/box/api/chat'],
  ] as const)('of kind %s at %j is called at %s', async (kind, suffix, path) => {
    let seen: string | undefined
    const url = await answering((request, response) => {
      seen = request.url
      response.writeHead(500).end()
    })
    await failureOf(provider(url + suffix, kind).chat(call({}), silentSink))
    expect(seen).toBe(path)
  })

  it('of kind vllm sees another request id for every call, so that it refuses none as running already', async () => {
    const seen = new Set<unknown>()
    const url = await answering((request, response) => {
      seen.add(request.headers['x-request-id'])
      response.writeHead(500).end()
    })
    const vllm = provider(url, 'vllm')
    for (let round = 0; round < 3; round += 1) await failureOf(vllm.chat(call({}), silentSink))
    expect(seen.size).toBe(3)
  })
})
