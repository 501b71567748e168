import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServiceProcess, type Stack, startStack } from '../support/stack.ts'

let stack: Stack
let ingress: ServiceProcess

beforeAll(async () => {
  stack = await startStack()
  await stack.startController()
  ingress = await stack.startIngress()
  await stack.startWorker()
})
afterAll(() => stack.close())

interface Answer {
  readonly status: number
  readonly body: {
    readonly data?: readonly { readonly index: number; readonly embedding: readonly number[] | string }[]
    readonly usage?: { readonly prompt_tokens: number }
    readonly error?: { readonly code: string; readonly message: string; readonly param: string | null }
  }
}

async function embed(base: string, request: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${stack.masterKey}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ model: 'embed', dimensions: 16, ...request })
  const response = await fetch(`${base}/v1/embeddings`, { method: 'POST', headers, body })
  return { status: response.status, body: (await response.json()) as Answer['body'] }
}

it('200 requests at once are few calls upstream; each gets its own vectors, and a bad input is its sender’s alone', async () => {
  const { simulator } = stack
  simulator.script('embed', { embedding: { fixedMs: 400, rejectContaining: 'unspeakable' } })
  const requests = Array.from({ length: 200 }, (_, index) => {
    const input = index % 3 === 0 ? [`request ${index}`, `and more of ${index}`] : `request ${index}`
    return { input, ...(index % 2 === 0 ? {} : { encoding_format: 'base64' }) }
  })
  const bad = 117
  requests[bad] = { input: 'something unspeakable' }
  const answers = await Promise.all(requests.map((request) => embed(ingress.url, request)))
  const { embeddingCalls } = simulator.stats().total
  expect(embeddingCalls).toBeLessThan(100)
  simulator.script('embed', { embedding: { fixedMs: 0, rejectContaining: 'unspeakable' } })

  expect(answers[bad]).toMatchObject({ status: 400, body: { error: { param: 'input' } } })
  expect(answers[bad]?.body.error?.message).toContain('cannot be embedded')
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(requests.length - 1)
  for (const [index, request] of requests.entries()) {
    if (index === bad) continue
    const alone = await embed(simulator.url, request)
    expect(answers[index]?.body.data).toEqual(alone.body.data)
  }
})
