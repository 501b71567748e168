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
  '/v1/messages',
  '/v1beta/models/m:generateContent',
  '/v1beta/models/m:batchEmbedContents',
  '/v2/chat',
  '/v2/embed',
  '/model/m/converse',
  '/model/m/invoke',
  '/openai/v1/chat/completions',
]
// Every vendor's credentials at once, so that a call reaches what reads its body.
const headers = {
  authorization: 'Bearer k',
  'x-api-key': 'k',
  'x-goog-api-key': 'k',
  'api-key': 'k',
  'anthropic-version': '2023-06-01',
}

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
  'system',
  'stop_sequences',
  'output_config',
  'contents',
  'systemInstruction',
  'generationConfig',
  'toolConfig',
  'requests',
  'texts',
  'input_type',
  'inferenceConfig',
  'additionalModelRequestFields',
  'outputConfig',
  'inputText',
]
const body = fc.tuple(
  fc.dictionary(fc.constantFrom(...fields), anything, { maxKeys: 5 }),
  fc.constantFrom('m', 'm', 'm', 5, null),
  fc.oneof(fc.array(message, { maxLength: 3 }), fc.constant([{ role: 'user', content: 'hi' }])),
)

it('answers whatever it is sent with a success or a client error in the form of the wire', {
  timeout: 120_000,
}, async () => {
  const { url, reset } = await startSimulator({ maxBodyBytes: 100_000 })
  const property = fc.asyncProperty(fc.constantFrom(...paths), body, async (path, [more, model, messages]) => {
    const { status, text } = await call(url, path, { model, messages, ...more }, { headers })
    expect(status, text).toBeLessThan(500)
    if (status < 400) return
    const { error, message } = JSON.parse(text) as { error?: unknown; message?: unknown }
    const said = path.startsWith('/v2/') || path.startsWith('/model/') ? message : error
    const words = path.startsWith('/api/') || said === message ? said : (said as { message?: unknown }).message
    expect(typeof words).toBe('string')
    reset()
  })
  await fc.assert(property, { numRuns: 800 })
})

it('answers bytes that are no JSON with 400', async () => {
  const { url } = await startSimulator()
  const property = fc.asyncProperty(fc.constantFrom(...paths), fc.string(), async (path, text) => {
    expect((await call(url, path, `{${text}`, { headers })).status).toBe(400)
  })
  await fc.assert(property, { numRuns: 50 })
  for (const path of ['/__sim/models/%zz', '/v1/models/%zz']) expect((await call(url, path)).status).toBe(400)
})
