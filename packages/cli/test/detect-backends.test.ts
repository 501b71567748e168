import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parseConfig } from '@inferq/config'
import { createSimulator, type Simulator } from '@inferq/simulator'
import { afterEach, describe, expect, it } from 'vitest'
import { detectBackends } from '../src/detect-backends.ts'

const running: { stop(): Promise<unknown> }[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
})

async function simulator(models: string[], apiKey?: string): Promise<Simulator> {
  const scripts = Object.fromEntries(models.map((name) => [name, {}]))
  const started = createSimulator({ models: scripts, ...(apiKey === undefined ? {} : { apiKey }) })
  running.push(started)
  await started.start()
  return started
}

/** A server of another kind: answers every request alike. */
async function stranger(status: number, body: string): Promise<string> {
  const server: Server = createServer((_, response) => response.writeHead(status).end(body))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  running.push({
    async stop() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An address that refuses: a port that nobody is given by chance, and that fetch does not refuse by itself. */
/** On a busy machine even this process may be late with an answer. */
const patienceMs = 10_000
const nobody = 'http://127.0.0.1:2'

describe('detection', () => {
  it('finds every backend that runs, with its models', async () => {
    const ollama = await simulator(['llama', 'embed'])
    const vllm = await stranger(200, '{"object":"list","data":[{"id":"qwen","owned_by":"vllm","max_model_len":8192}]}')
    const openai = await simulator(['gpt'], 'sk-test')
    const variables = { OPENAI_API_KEY: 'sk-test', OPENAI_BASE_URL: `${openai.url}/v1` }
    const detection = await detectBackends(variables, { ollama: ollama.url, vllm, patienceMs })
    expect(detection.missing).toEqual([])
    expect(detection.found.map(({ provider, models }) => [provider, models.map((model) => model.name)])).toEqual([
      ['ollama', ['llama:latest', 'embed:latest']],
      ['vllm', ['qwen']],
      ['openai', ['gpt']],
    ])
  })

  it('finds nothing, quickly and without a word, where nobody listens', async () => {
    const detection = await detectBackends({}, { ollama: nobody, vllm: nobody, patienceMs })
    expect(detection).toEqual({ found: [], missing: [] })
  })

  it.each([
    ['a web page', 200, '<html>hello</html>'],
    ['a list of something else', 200, '{"data":[{"id":"gpt-4o","owned_by":"somebody"}]}'],
    ['an empty list', 200, '{"object":"list","data":[]}'],
    ['other JSON', 200, '[1,2,3]'],
    ['an error', 500, '{}'],
  ])('does not take %s on the usual port for a backend', async (_, status, body) => {
    const url = await stranger(status, body)
    expect(await detectBackends({}, { ollama: url, vllm: url, patienceMs })).toEqual({ found: [], missing: [] })
  })

  it('takes any OpenAI-compatible server that VLLM_BASE_URL names', async () => {
    const url = await stranger(200, '{"data":[{"id":"m","owned_by":"somebody","max_model_len":4096}]}')
    const { found } = await detectBackends({ VLLM_BASE_URL: url }, { ollama: nobody, vllm: nobody, patienceMs })
    expect(found).toEqual([{ provider: 'vllm', baseUrl: url, models: [{ name: 'm', contextWindow: 4096 }] }])
  })

  it('says why a backend that was named is not used', async () => {
    const refusing = await stranger(401, '{}')
    const page = await stranger(200, 'hello')
    const variables = {
      OLLAMA_BASE_URL: nobody,
      VLLM_BASE_URL: page,
      OPENAI_API_KEY: 'sk-wrong',
      OPENAI_BASE_URL: refusing,
    }
    const { found, missing } = await detectBackends(variables, { ollama: nobody, vllm: nobody, patienceMs })
    expect(found).toEqual([])
    expect(missing.map(({ variable, reason }) => [variable, reason])).toEqual([
      ['OLLAMA_BASE_URL', 'it cannot be reached (ECONNREFUSED)'],
      ['VLLM_BASE_URL', 'it answers, though not as vllm does'],
      ['OPENAI_API_KEY', 'it answers 401'],
    ])
    expect(JSON.stringify(missing)).not.toContain('sk-wrong')
  })

  it('takes a cloud whose key is set for all its models, without asking it', async () => {
    const variables = {
      ANTHROPIC_API_KEY: 'sk-a',
      GOOGLE_API_KEY: 'sk-g',
      TOGETHERAI_API_KEY: 'sk-t',
      GROQ_API_KEY: 'sk-q',
      GROQ_API_BASE: 'http://127.0.0.1:2/groq',
      MISTRAL_API_KEY: '',
    }
    const { found, missing } = await detectBackends(variables, { ollama: nobody, vllm: nobody, patienceMs })
    expect(missing).toEqual([])
    expect(found.map(({ provider, models }) => [provider, models])).toEqual(
      ['anthropic', 'gemini', 'together_ai', 'groq'].map((provider) => [
        provider,
        [{ name: `${provider}/*`, upstreamModel: '*' }],
      ]),
    )
    expect(found.at(-1)?.baseUrl).toBe('http://127.0.0.1:2/groq')
    expect(JSON.stringify(found)).not.toContain('sk-')
    const result = parseConfig({ env: variables, detected: found })
    expect(result).toMatchObject({
      kind: 'config',
      config: { deployments: [{ model: 'anthropic/*', apiKey: 'sk-a' }, {}, {}, {}] },
    })
  })

  it('survives a base URL that is none', async () => {
    const { missing } = await detectBackends(
      { OLLAMA_BASE_URL: 'gpu:11434' },
      { ollama: nobody, vllm: nobody, patienceMs },
    )
    expect(missing).toHaveLength(1)
  })
})
