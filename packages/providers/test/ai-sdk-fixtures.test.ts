import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createAiSdkProvider } from '../src/ai-sdk/index.ts'
import type { SdkWire } from '../src/ai-sdk/sdk.ts'
import { createCollector } from '../src/index.ts'
import { call, createRecorder, patientTimeouts } from './support.ts'

// What the vendors' documentation shows of their wires, and what a client of OpenAI's is to make of it.
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A provider whose upstream answers every call with the fixture, in pieces of `pieceBytes`. */
async function replaying(wire: SdkWire, fixture: string, pieceBytes = 64 * 1024) {
  const body = readFileSync(new URL(`./fixtures/${fixture}.txt`, import.meta.url))
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let at = 0; at < body.length; at += pieceBytes) response.write(body.subarray(at, at + pieceBytes))
    response.end()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  const provider = createAiSdkProvider(
    {
      id: `replay-${fixture}`,
      provider: wire,
      wire,
      model: 'documented',
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
      apiKey: 'key-of-the-test',
      timeouts: patientTimeouts,
    },
    {},
  )
  closing.push(() => provider.close())
  return provider
}

/** The whole object the stream stands for, with the usage it reports. */
async function collected(wire: SdkWire, fixture: string, pieceBytes?: number) {
  const provider = await replaying(wire, fixture, pieceBytes)
  const collector = createCollector('chat', { maxOutputBytes: 1_000_000 })
  const { usage } = await provider.chat(call({}), collector)
  return collector.result({ id: 'chatcmpl-1', created: 1, model: 'public-name', usage })
}

function completion(message: Record<string, unknown>, finishReason: string, usage: Record<string, unknown>) {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'public-name',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: null, refusal: null, ...message },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    usage,
  }
}

describe('a documented stream of', () => {
  it('Anthropic, text', async () => {
    expect(await collected('anthropic', 'anthropic-text')).toEqual(
      completion({ content: 'Hello!' }, 'stop', {
        prompt_tokens: 25,
        completion_tokens: 15,
        total_tokens: 40,
        prompt_tokens_details: { cached_tokens: 0 },
      }),
    )
  })

  it('Anthropic, a tool called after some text, is the same in pieces of seven bytes', async () => {
    const expected = completion(
      {
        content: "Okay, let's check the weather for San Francisco, CA:",
        tool_calls: [
          {
            id: 'toolu_01T1x1fJ34qAmk2tNTrN7Up6',
            type: 'function',
            function: { name: 'get_weather', arguments: '{"location": "San Francisco, CA", "unit": "fahrenheit"}' },
          },
        ],
      },
      'tool_calls',
      {
        prompt_tokens: 472,
        completion_tokens: 89,
        total_tokens: 561,
        prompt_tokens_details: { cached_tokens: 0 },
      },
    )
    expect(await collected('anthropic', 'anthropic-tool-use')).toEqual(expected)
    expect(await collected('anthropic', 'anthropic-tool-use', 7)).toEqual(expected)
  })

  it('Anthropic, thinking: read by itself, and kept with its signature; cached tokens are part of the prompt', async () => {
    const thinking = 'I need to find the GCD of 1071 and 462 using the Euclidean algorithm.\n\n1071 = 2 × 462 + 147'
    expect(await collected('anthropic', 'anthropic-thinking')).toEqual(
      completion(
        {
          content: 'The greatest common divisor of 1071 and 462 is **21**.',
          reasoning_content: thinking,
          thinking_blocks: [
            { type: 'thinking', thinking, signature: 'EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds' },
          ],
        },
        'stop',
        { prompt_tokens: 55, completion_tokens: 62, total_tokens: 117, prompt_tokens_details: { cached_tokens: 20 } },
      ),
    )
  })

  it('Gemini, a thought and then a function call with its signature', async () => {
    const result = await collected('gemini', 'gemini-function-call')
    expect(result).toEqual(
      completion(
        {
          reasoning_content: '**Checking the flight**\n\nI call check_flight first.',
          tool_calls: [
            {
              id: expect.stringMatching(/./),
              type: 'function',
              function: { name: 'check_flight', arguments: '{"flight":"AA100"}' },
              extra_content: { google: { thought_signature: 'EiYKJGUyNDgzMGE3LTVjZDYtNDJmZS05OThi' } },
            },
          ],
        },
        'tool_calls',
        {
          prompt_tokens: 52,
          completion_tokens: 65,
          total_tokens: 117,
          prompt_tokens_details: { cached_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 47 },
        },
      ),
    )
  })

  it('Gemini, thoughts and text: thoughts are paid as output', async () => {
    expect(await collected('gemini', 'gemini-thoughts')).toEqual(
      completion(
        {
          content: 'Alice lives in the red house.',
          reasoning_content: '**Deciphering the clues**\n\nThree houses.',
        },
        'stop',
        {
          prompt_tokens: 60,
          completion_tokens: 78,
          total_tokens: 138,
          prompt_tokens_details: { cached_tokens: 16 },
          completion_tokens_details: { reasoning_tokens: 70 },
        },
      ),
    )
  })

  it('Cohere, a tool call', async () => {
    expect(await collected('cohere', 'cohere-tool-call')).toEqual(
      completion(
        {
          tool_calls: [
            {
              id: 'get_weather_1byjy32y4hvq',
              type: 'function',
              function: { name: 'get_weather', arguments: '{\n    "location": "Toronto"\n}' },
            },
          ],
        },
        'tool_calls',
        {
          prompt_tokens: 1061,
          completion_tokens: 85,
          total_tokens: 1146,
          prompt_tokens_details: { cached_tokens: 1024 },
        },
      ),
    )
  })
})

describe('a stream cut short', () => {
  it.each([
    ['anthropic', 'anthropic-text', 'event: message_delta'],
    ['gemini', 'gemini-thoughts', 'data: {"candidates": [{"content": {"parts": [{"text": "red house."}]'],
    ['cohere', 'cohere-tool-call', 'event: message-end'],
  ] as const)(
    'before %s said how it ended is interrupted, though the connection ends in peace',
    async (wire, fixture, end) => {
      const body = readFileSync(new URL(`./fixtures/${fixture}.txt`, import.meta.url), 'utf8')
      const server = createServer((request, response) => {
        request.resume()
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(body.slice(0, body.indexOf(end)))
      })
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      closing.push(() => new Promise((resolve) => server.close(resolve)))
      const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
      const upstream = { id: 'cut', provider: wire, wire, model: 'm', baseUrl, timeouts: patientTimeouts }
      const provider = createAiSdkProvider(upstream, {})
      closing.push(() => provider.close())
      const sink = createRecorder()
      await expect(provider.chat(call({}), sink)).rejects.toMatchObject({ code: 'upstream_interrupted' })
      expect(sink.calls).toBeGreaterThan(0)
    },
  )
})
