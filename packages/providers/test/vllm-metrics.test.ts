import { InferqError } from '@inferq/contracts'
import { createSimulator } from '@inferq/simulator'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { createProvider, type Provider } from '../src/index.ts'
import { metricsPath, parseVllmMetrics } from '../src/vllm-metrics.ts'

// As vLLM 0.11 writes them, shortened.
const text = `# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 12.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 3.0
vllm:kv_cache_usage_perc{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 0.4375
vllm:num_preemptions_total{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 1e+02
vllm:num_preemptions_created{engine="0",model_name="meta-llama/Llama-3.1-8B-Instruct"} 1.7e+09
vllm:request_success_total{engine="0",finished_reason="stop",model_name="meta-llama/Llama-3.1-8B-Instruct"} 7.0
python_gc_objects_collected_total{generation="0"} 4567.0
`

describe('vLLM’s metrics', () => {
  it('are read for each model', () => {
    const load = {
      model: 'meta-llama/Llama-3.1-8B-Instruct',
      waiting: 3,
      running: 12,
      kvUsage: 0.4375,
      preemptions: 100,
    }
    expect(parseVllmMetrics(text)).toEqual([load])
  })

  it('are added up over the engines of a server, of which the fullest cache counts', () => {
    const second = text.replaceAll('engine="0"', 'engine="1"').replace('0.4375', '0.9')
    expect(parseVllmMetrics(text + second)).toMatchObject([{ waiting: 6, running: 24, kvUsage: 0.9, preemptions: 200 }])
  })

  it('are read under the names and without the labels of other versions', () => {
    const old = 'vllm:num_requests_running 1\nvllm:num_requests_waiting 0 1700000000\nvllm:gpu_cache_usage_perc 0.5'
    const load = { model: '', running: 1, waiting: 0, kvUsage: 0.5, preemptions: 0 }
    expect(parseVllmMetrics(old)).toEqual([load])
  })

  it('keep a name with quotes, braces and blanks apart from the number', () => {
    const odd = String.raw`{engine="0",model_name="a \"b\" }{ 7 \\ c"} 2.0`
    const lines = `vllm:num_requests_running${odd}\nvllm:num_requests_waiting${odd}`
    expect(parseVllmMetrics(lines)).toMatchObject([{ model: String.raw`a "b" }{ 7 \ c`, running: 2, waiting: 2 }])
  })

  it.each(['', 'ok', '<html>', 'vllm:num_requests_running{model_name="a"} 1', 'vllm:num_requests_running NaN'])(
    'are missing in %j',
    (other) => {
      expect(() => parseVllmMetrics(other)).toThrow(InferqError)
    },
  )

  it('are loads or an upstream that is malformed, whatever comes', () => {
    const piece = fc.constantFrom(
      'vllm:num_requests_waiting',
      'vllm:num_requests_running',
      '{',
      '}',
      '="',
      '"',
      '\\',
      ' ',
      '\n',
      '1',
      '-1',
    )
    const chaos = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join('')),
    )
    fc.assert(
      fc.property(chaos, (anything) => {
        try {
          for (const { waiting, running } of parseVllmMetrics(anything)) {
            expect(waiting).toBeGreaterThanOrEqual(0)
            expect(running).toBeGreaterThanOrEqual(0)
          }
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: 'upstream_malformed' })
        }
      }),
    )
  })

  it.each([
    ['http://gpu:8000', '/metrics'],
    ['http://gpu:8000/v1', '/metrics'],
    ['http://gpu:8000/v1/', '/metrics'],
    ['http://gpu/llama/v1', '/llama/metrics'],
  ])('of %s are at %s', (baseUrl, path) => {
    expect(metricsPath(baseUrl)).toBe(path)
  })
})

describe('the load of an upstream', () => {
  const simulator = createSimulator({ models: { llama: {}, other: {} } })
  let provider: Provider | undefined
  afterEach(async () => {
    await provider?.close()
    await simulator.stop()
  })
  const providerOf = (wire: 'vllm' | 'openai', baseUrl: string): Provider => {
    const timeouts = { connectMs: 1_000, firstTokenMs: 1_000, idleMs: 1_000 }
    provider = createProvider({ id: 'gpu0', provider: 'vllm', wire, model: 'llama', baseUrl, timeouts })
    return provider
  }

  it('is asked of vLLM, and can fail like any call', async () => {
    await simulator.start()
    const { signal } = new AbortController()
    const read = await providerOf('vllm', `${simulator.url}/v1`).readLoad?.(signal)
    const idle = { waiting: 0, running: 0, kvUsage: 0, preemptions: 0 }
    expect(read).toEqual([
      { model: 'llama', ...idle },
      { model: 'other', ...idle },
    ])
    await expect(provider?.readLoad?.(AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
    await simulator.stop()
    await expect(provider?.readLoad?.(signal)).rejects.toMatchObject({ code: 'upstream_unreachable' })
  })

  it('cannot be asked on a wire that does not tell it', () => {
    expect(providerOf('openai', 'http://127.0.0.1:1/v1').readLoad).toBeUndefined()
  })
})
