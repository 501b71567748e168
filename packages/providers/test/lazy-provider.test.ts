import { describe, expect, it } from 'vitest'
import { createLazyProvider } from '../src/lazy-provider.ts'
import { call, createBench, createRecorder, failureOf, openaiKind, silentSink } from './support.ts'

/** A lazy provider over a real one, that counts how often it was loaded and lets loading wait. */
async function createLazyBench(failures = 0) {
  const bench = await createBench()
  const inner = bench.provider(openaiKind)
  let loads = 0
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    release = resolve
  })
  let closed = 0
  const lazy = createLazyProvider(true, async () => {
    loads += 1
    await gate
    if (loads <= failures) throw new Error('no such module')
    return {
      ...inner,
      close: async () => {
        closed += 1
        await inner.close()
      },
    }
  })
  return { bench, lazy, release, loads: () => loads, closed: () => closed }
}

describe('a provider whose code is loaded by its first call', () => {
  it('is loaded once, by the first call, and answers like the one inside', async () => {
    const { bench, lazy, release, loads, closed } = await createLazyBench()
    bench.simulator.script('sim', { text: 'One two.' })
    expect(lazy.continuesPrefix).toBe(true)
    expect(loads()).toBe(0)
    release()
    const sink = createRecorder()
    await Promise.all([lazy.chat(call({}), sink), lazy.text(call({ messages: undefined, prompt: 'x' }), silentSink)])
    const { request, signal, requestId } = call({ messages: undefined, input: 'x' })
    await lazy.embed({ request, signal, requestId })
    await lazy.probe({ mode: 'chat', signal })
    expect(sink.said).toBe('One two.')
    expect(loads()).toBe(1)
    await lazy.close()
    expect(closed()).toBe(1)
    await bench.close()
  })

  it('is never loaded for a call whose signal has ended, and calls nobody when it ends while loading', async () => {
    const { bench, lazy, release, loads } = await createLazyBench()
    const ended = AbortSignal.abort(new Error('gone'))
    await expect(lazy.chat(call({}, { signal: ended }), silentSink)).rejects.toThrow('gone')
    expect(loads()).toBe(0)
    const controller = new AbortController()
    const waiting = lazy.chat(call({}, { signal: controller.signal }), silentSink)
    controller.abort(new Error('left'))
    release()
    await expect(waiting).rejects.toThrow('left')
    expect(bench.simulator.stats().total.calls).toBe(0)
    await lazy.close()
    await bench.close()
  })

  it('closed before or while it is loaded calls nobody and leaves nothing open', async () => {
    const { bench, lazy, release, closed } = await createLazyBench()
    const waiting = failureOf(lazy.chat(call({}), silentSink))
    const closing = lazy.close()
    release()
    await closing
    expect((await waiting).code).toBe('upstream_interrupted')
    expect(closed()).toBe(1)
    expect((await failureOf(lazy.chat(call({}), silentSink))).code).toBe('upstream_interrupted')
    expect(bench.simulator.stats().total.calls).toBe(0)
    const untouched = await createLazyBench()
    await untouched.lazy.close()
    expect(untouched.loads()).toBe(0)
    await untouched.bench.close()
    await bench.close()
  })

  it('says so when it cannot be loaded, and tries again with the next call', async () => {
    const { bench, lazy, release, loads } = await createLazyBench(1)
    release()
    expect((await failureOf(lazy.chat(call({}), silentSink))).code).toBe('internal_error')
    await lazy.chat(call({}), silentSink)
    expect(loads()).toBe(2)
    await lazy.close()
    await bench.close()
  })
})
