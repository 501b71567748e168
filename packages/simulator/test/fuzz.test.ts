import fc from 'fast-check'
import { expect, it } from 'vitest'
import { call, startSimulator } from './support.ts'

const paths = [
  '/v1/chat/completions',
  '/v1/completions',
  '/v1/embeddings',
  '/api/chat',
  '/api/generate',
  '/api/embed',
  '/api/show',
  '/__sim/models/m',
]

const message = fc.record(
  { role: fc.constantFrom('user', 'assistant', 7), content: fc.jsonValue() },
  { requiredKeys: [] },
)
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.boolean(),
  fc.nat(5),
  fc.constantFrom('auto', 'required', 'json'),
)
const fields = [
  'stream',
  'stream_options',
  'n',
  'max_tokens',
  'stop',
  'seed',
  'logprobs',
  'response_format',
  'format',
  'tools',
  'tool_choice',
  'options',
  'keep_alive',
  'dimensions',
  'encoding_format',
  'prompt',
  'input',
  'suffix',
  'sim',
  'text',
]
const body = fc.tuple(
  fc.dictionary(fc.constantFrom(...fields), anything, { maxKeys: 5 }),
  fc.constantFrom('m', 'm', 'm', 5, null),
  fc.oneof(fc.array(message, { maxLength: 3 }), fc.constant([{ role: 'user', content: 'hi' }])),
)

it('answers whatever it is sent with a success or a client error in the form of the wire', {
  timeout: 30_000,
}, async () => {
  const { url, reset } = await startSimulator({ maxBodyBytes: 100_000 })
  const property = fc.asyncProperty(fc.constantFrom(...paths), body, async (path, [more, model, messages]) => {
    const { status, text } = await call(url, path, { model, messages, ...more })
    expect(status, text).toBeLessThan(500)
    if (status < 400) return
    const { error } = JSON.parse(text) as { error: unknown }
    expect(path.startsWith('/api/') ? typeof error : typeof (error as { message: unknown }).message).toBe('string')
    reset()
  })
  await fc.assert(property, { numRuns: 400 })
})

it('answers bytes that are no JSON with 400', async () => {
  const { url } = await startSimulator()
  const property = fc.asyncProperty(fc.constantFrom(...paths), fc.string(), async (path, text) => {
    expect((await call(url, path, `{${text}`)).status).toBe(400)
  })
  await fc.assert(property, { numRuns: 50 })
  for (const path of ['/__sim/models/%zz', '/v1/models/%zz']) expect((await call(url, path)).status).toBe(400)
})
