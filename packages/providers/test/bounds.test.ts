import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { answering, closeAll, closing, event, eventHead, finishEvent, provider, saying } from './hostile-server.ts'
import { call, createRecorder, failureOf, silentSink, until } from './support.ts'

// Everything an upstream can do without end, or too much of.
afterEach(closeAll)

const mebi = 1024 * 1024
const whole = { stream: false }

/** Writes pieces as fast as they are taken, until the other side has gone; `isGone` tells. */
function endless(head: string, piece: string): { url: Promise<string>; isGone(): boolean } {
  let gone = false
  const url = answering((_, response) => {
    response.on('close', () => {
      gone = true
    })
    response.write(head)
    const fill = (): void => {
      while (!response.destroyed && response.write(piece));
    }
    response.on('drain', fill)
    fill()
  })
  return { url, isGone: () => gone }
}

/** Writes the piece every few milliseconds, for ever. */
function dripping(head: string, piece: string, everyMs = 5): Promise<string> {
  const timers: NodeJS.Timeout[] = []
  closing.push(async () => timers.forEach(clearInterval))
  return answering((_, response: ServerResponse) => {
    response.write(head)
    timers.push(setInterval(() => response.write(piece), everyMs))
  })
}

describe('an answer in one piece', () => {
  it.each(['openai', 'ollama'] as const)('without end is cut off at 32 MiB (%s)', async (kind) => {
    const upstream = endless('{"choices":[{"message":{"content":"', 'x'.repeat(mebi))
    const error = await failureOf(provider(await upstream.url, kind).chat(call({}, whole), silentSink))
    expect(error.detail).toEqual({
      code: 'output_too_large',
      message: `The upstream's answer is longer than ${32 * mebi} bytes.`,
    })
    await until(upstream.isGone)
  })

  it('that comes drop by drop has its time for all of it', async () => {
    const responseMs = 1_500
    const failures = (['openai', 'ollama', 'anthropic'] as const).map(async (kind) => {
      const slow = provider(await dripping('{', ' '), kind, { responseMs })
      return (await failureOf(slow.chat(call({}, whole), silentSink))).detail
    })
    const message = `The upstream's answer took more than ${responseMs} ms.`
    for (const detail of await Promise.all(failures)) expect(detail).toEqual({ code: 'upstream_timeout', message })
  })

  it.each(['openai', 'ollama', 'anthropic'] as const)('nested without reason is malformed (%s)', async (kind) => {
    for (const depth of [201, 5_000, 300_000]) {
      const nested = `${'['.repeat(depth)}${']'.repeat(depth)}`
      const url = await answering((_, response) =>
        response.end(`{"choices":[{"index":0,"message":{"content":"a","x":${nested}},"finish_reason":"stop"}]}`),
      )
      const { code } = await failureOf(provider(url, kind).chat(call({}, whole), silentSink))
      expect([depth, code]).toEqual([depth, 'upstream_malformed'])
    }
  })

  it('nested as deeply as any schema is taken', async () => {
    const args = `${'['.repeat(150)}${']'.repeat(150)}`
    const choice = `{"index":0,"message":{"content":"${'a'.repeat(500)}","x":${args}},"finish_reason":"stop"}`
    const url = await answering((_, response) => response.end(`{"choices":[${choice}]}`))
    expect((await provider(url).chat(call({}, whole), silentSink)).finishReason).toBe('stop')
  })

  it.each(['openai', 'ollama', 'anthropic'] as const)(
    'that was compressed unasked is malformed, and never unpacked (%s)',
    async (kind) => {
      const bomb = gzipSync(Buffer.alloc(64 * mebi, ' '))
      let asked: string | undefined
      const url = await answering((request, response) => {
        asked = request.headers['accept-encoding']
        response.writeHead(200, { 'content-encoding': 'gzip', 'content-type': 'application/json' }).end(bomb)
      })
      const { code } = await failureOf(provider(url, kind).chat(call({}, whole), silentSink))
      expect([asked, code]).toEqual([undefined, 'upstream_malformed'])
    },
  )
})

describe('a stream', () => {
  it.each([
    ['openai', event({ choices: [{ index: 0, delta: { content: 'x'.repeat(mebi) } }] })],
    ['openai', event({ choices: [{ index: 0, delta: { reasoning_content: 'x'.repeat(mebi) } }] })],
    ['ollama', `${JSON.stringify({ message: { content: 'x'.repeat(mebi) }, done: false })}\n`],
  ] as const)('of output without end is cut off at 16 Mi characters (%s)', async (kind, piece) => {
    const upstream = endless('', piece)
    const sink = createRecorder()
    const error = await failureOf(provider(await upstream.url, kind).chat(call({}), sink))
    expect(error.detail).toEqual({
      code: 'output_too_large',
      message: `The output is longer than ${16 * mebi} characters.`,
    })
    expect(sink.calls).toBe(16)
    await until(upstream.isGone)
  })

  it.each([
    ['openai', 'data: {"choices":[{"index":0,"delta":{"content":"'],
    ['ollama', '{"message":{"content":"'],
  ] as const)('with a line without end is malformed (%s)', async (kind, head) => {
    const upstream = endless(head, 'x'.repeat(mebi))
    const { code } = await failureOf(provider(await upstream.url, kind).chat(call({}), silentSink))
    expect(code).toBe('upstream_malformed')
    await until(upstream.isGone)
  })

  it('of events that say nothing is cut off at the bound of the wire', async () => {
    const upstream = endless('', event({ choices: [{ index: 0, delta: {}, padding: null }] }).repeat(500))
    const bounded = provider(await upstream.url, 'openai', {}, { maxResponseBytes: mebi })
    expect((await failureOf(bounded.chat(call({}), silentSink))).code).toBe('output_too_large')
    await until(upstream.isGone)
  })

  it('of empty events has its time for the first token, and then that of its caller', async () => {
    const empty = event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] })
    const silent = provider(await dripping('', empty), 'openai', { firstTokenMs: 100 })
    expect((await failureOf(silent.chat(call({}), silentSink))).code).toBe('upstream_timeout')

    const stop = new AbortController()
    const deadline = new Error('the deadline of the job')
    const word = event({ choices: [{ index: 0, delta: { content: 'word ' } }] })
    const sink = createRecorder()
    const told = provider(await dripping('', word), 'openai', { firstTokenMs: 8_000, responseMs: 50 }).chat(
      call({}, { signal: stop.signal }),
      sink,
    )
    await until(() => sink.calls > 30)
    stop.abort(deadline)
    await expect(told).rejects.toBe(deadline)
  })

  it('with a chunk nested without reason is malformed', async () => {
    const nested = `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`
    const url = await saying(`${eventHead}\r\ndata: {"choices":[{"index":0,"delta":{"x":${nested}}}]}\n\n`)
    expect((await failureOf(provider(url).chat(call({}), silentSink))).code).toBe('upstream_malformed')
  })

  it.each([
    ['broken JSON', 'data: {"choices"'],
    ['what is no JSON', 'data: ]]\n\n'],
    ['a page', '<html>\n\n'],
    ['more than the bound of the wire', `: ${'x'.repeat(300_000)}\n\n`],
  ])('that has said all is an answer, though %s follows', async (_, garbage) => {
    const text = event({ choices: [{ index: 0, delta: { content: 'all of it' } }] })
    const ends = [`${text}${finishEvent}`, `${text}${finishEvent}data: [DONE]\n\n`]
    for (const end of ends) {
      const sink = createRecorder()
      const url = await saying(`${eventHead}\r\n${end}${garbage}`)
      const outcome = await provider(url, 'openai', {}, { maxResponseBytes: 200_000 }).chat(call({}), sink)
      expect([outcome.finishReason, sink.said]).toEqual(['stop', 'all of it'])
    }
  })

  it('that has said all and then speaks of an error has failed', async () => {
    const text = event({ choices: [{ index: 0, delta: { content: 'all of it' } }] })
    const url = await saying(`${eventHead}\r\n${text}${finishEvent}${event({ error: { message: 'no', code: 429 } })}`)
    expect((await failureOf(provider(url).chat(call({}), silentSink))).code).toBe('rate_limit_exceeded')
  })
})

describe('a usage that cannot be true', () => {
  const answerWith = (usage: string) =>
    `{"choices":[{"index":0,"message":{"content":"four words of answer"},"finish_reason":"stop"}],"usage":${usage}}`
  const told = async (usage: string) => {
    const url = await answering((_, response) => response.end(answerWith(usage)))
    return provider(url).chat(call({}, whole), silentSink)
  }

  it.each([
    '{"prompt_tokens":-5,"completion_tokens":-1,"total_tokens":-6}',
    '{"prompt_tokens":"12","completion_tokens":"7"}',
    '{"prompt_tokens":1.5,"completion_tokens":2.5}',
    '{"prompt_tokens":1e300,"completion_tokens":1e999}',
    '{"prompt_tokens":3000000000,"completion_tokens":100000001}',
    '{"prompt_tokens":null,"completion_tokens":[4]}',
    '{}',
    '17',
    '"none"',
    'null',
  ])('is estimated instead: %s', async (usage) => {
    const outcome = await told(usage)
    expect(outcome.usage.estimated).toBe(true)
    expect(outcome.usage.promptTokens).toBeGreaterThan(4)
    expect(outcome.usage.promptTokens).toBeLessThan(40)
    expect(outcome.usage.completionTokens).toBeGreaterThan(2)
    expect(outcome.usage.completionTokens).toBeLessThan(10)
    const shown = (outcome.result as { usage: Record<string, unknown> }).usage
    const { promptTokens, completionTokens } = outcome.usage
    expect(shown).toMatchObject({ prompt_tokens: promptTokens, completion_tokens: completionTokens })
    expect(shown['total_tokens']).toBe(promptTokens + completionTokens)
  })

  it('has parts that are at most their whole', async () => {
    const details = '"prompt_tokens_details":{"cached_tokens":99},"completion_tokens_details":{"reasoning_tokens":88}'
    const { usage } = await told(`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,${details}}`)
    expect(usage).toEqual({ promptTokens: 10, completionTokens: 5, cachedTokens: 10, reasoningTokens: 5 })
  })

  it('of a stream counts what has come before it', async () => {
    const text = event({ choices: [{ index: 0, delta: { content: 'four words of answer' } }] })
    const lie = event({ choices: [], usage: { prompt_tokens: 4_000_000_000, completion_tokens: -1 } })
    const url = await saying(`${eventHead}\r\n${text}${finishEvent}${lie}`)
    const { usage } = await provider(url).chat(call({}), silentSink)
    expect(usage).toMatchObject({ estimated: true })
    expect(usage.completionTokens).toBeLessThan(10)
  })
})
