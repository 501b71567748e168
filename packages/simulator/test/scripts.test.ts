import { describe, expect, it } from 'vitest'
import { createSimulator, ScriptError } from '../src/index.ts'
import { call, chat, startSimulator } from './support.ts'

const path = '/v1/chat/completions'

async function says(url: string, body: Record<string, unknown>): Promise<string> {
  const { text } = await call(url, path, body)
  return (JSON.parse(text) as { choices: { message: { content: string } }[] }).choices[0]?.message.content ?? ''
}

describe('scripts', () => {
  it('lets a request win over a one-shot script, that over the model, and that over the defaults', async () => {
    const { url, script } = await startSimulator({ defaults: { text: 'default' } })
    expect(await says(url, chat('hi'))).toBe('default')
    script('m', { text: 'model' })
    expect(await says(url, chat('hi'))).toBe('model')
    script('m', { next: [{ text: 'once' }, { text: 'hidden' }] })
    expect(await says(url, chat('hi'))).toBe('once')
    expect(await says(url, chat('hi', { sim: { text: 'inline' } }))).toBe('inline')
    expect(await says(url, chat('hi'))).toBe('model')
    expect(await says(url, chat('hi', { model: 'other' }))).toBe('default')
  })

  it('fails the next two calls, and only calls that are valid take from the queue', async () => {
    const { url, script } = await startSimulator()
    script('m', { next: [{ fault: 500 }, { fault: { status: 429, retryAfterS: 1 } }] })
    const statuses = [(await call(url, path, '{')).status]
    for (let index = 0; index < 3; index += 1) statuses.push((await call(url, path, chat('hi'))).status)
    expect(statuses).toEqual([400, 500, 429, 200])
  })

  it('takes a field back with null and everything back with a reset', async () => {
    const { url, script, reset } = await startSimulator({ models: { m: { text: 'first' } } })
    script('m', { text: 'second', finishReason: 'content_filter' })
    script('m', { text: null })
    expect((await call(url, path, chat('hi'))).text).toContain('content_filter')
    reset()
    expect(await says(url, chat('hi'))).toBe('first')
  })

  it('is changed over HTTP as well, for names with slashes too', async () => {
    const { url } = await startSimulator()
    const control = '/__sim/models/org%2Fname'
    const patched = await call(url, control, { text: 'patched', next: [{ text: 'once' }] })
    expect(JSON.parse(patched.text)).toMatchObject({ model: 'org/name', script: { text: 'patched' } })
    expect(await says(url, chat('hi', { model: 'org/name' }))).toBe('once')
    expect(await says(url, chat('hi', { model: 'org/name' }))).toBe('patched')
    await call(url, control, undefined, { method: 'DELETE' })
    expect(JSON.parse((await call(url, control)).text)).toEqual({ model: 'org/name', script: {} })
    await call(url, '/__sim/models/*', { text: 'everybody' })
    expect(await says(url, chat('hi', { model: 'org/name' }))).toBe('everybody')
  })

  it.each([
    [{ ttft: 5 }, 'script.ttft'],
    [{ ttftMs: -1 }, 'script.ttftMs'],
    [{ ttftMs: '5' }, 'script.ttftMs'],
    [{ jitter: 2 }, 'script.jitter'],
    [{ tokens: 1.5 }, 'script.tokens'],
    [{ hang: 'now' }, 'script.hang'],
    [{ hang: { afterTokens: -1 } }, 'script.hang.afterTokens'],
    [{ fault: { code: 'x' } }, 'script.fault.status'],
    [{ slowBody: { bytes: 1 } }, 'script.slowBody.everyMs'],
    [{ embedding: { dims: 3 } }, 'script.embedding.dims'],
    [{ next: [{}, { slots: 1 }] }, 'script.next[1].slots'],
    [{ toolCalls: [{ name: 'x' }] }, 'script.toolCalls[0].arguments'],
    [{ logprob: 0.5 }, 'script.logprob'],
    [{ contentFilter: 'yes' }, 'script.contentFilter'],
    [{ nothing: null }, 'script.nothing'],
    [[], 'The body'],
  ])('refuses %j naming the field', async (patch, field) => {
    const { url } = await startSimulator()
    const { status, text } = await call(url, '/__sim/models/m', patch)
    expect(status).toBe(400)
    expect((JSON.parse(text) as { error: { message: string } }).error.message).toContain(`${field} `)
  })

  it('refuses a wrong script at creation', () => {
    expect(() => createSimulator({ models: { m: { ttftMs: -1 } } })).toThrow(ScriptError)
    expect(() => createSimulator({ models: { m: { ttftMs: -1 } } })).toThrow('models.m.ttftMs must be a number')
    expect(() => createSimulator({ defaults: { slots: 0 } })).toThrow('defaults.slots must be a whole number')
  })
})
