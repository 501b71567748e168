import { describe, expect, it } from 'vitest'
import { frames } from './readers.ts'
import { post, startSimulator } from './support.ts'

describe('Bedrock', () => {
  const headers = { authorization: 'Bearer k' }
  const base = '/model/us.anthropic.claude-sonnet-4-20250514-v1%3A0'
  const body = { messages: [{ role: 'user', content: [{ text: 'hi' }] }] }

  it('streams the frames of ConverseStream', async () => {
    const toolCalls = [{ name: 'f', arguments: '{"a":1}' }]
    const { url, stats } = await startSimulator({ defaults: { reasoning: 'Hm', toolCalls } })
    const toolConfig = { tools: [{ toolSpec: { name: 'f', inputSchema: { json: {} } } }] }
    const streamed = await post(url, `${base}/converse-stream`, { ...body, toolConfig }, headers)
    expect(streamed.headers['content-type']).toBe('application/vnd.amazon.eventstream')
    const found = frames(streamed.bytes)
    expect(found.map((frame) => frame.headers[':event-type'])).toEqual([
      'messageStart',
      'contentBlockDelta',
      'contentBlockDelta',
      'contentBlockStop',
      'contentBlockStart',
      ...Array<string>(3).fill('contentBlockDelta'),
      'contentBlockStop',
      'messageStop',
      'metadata',
    ])
    expect(found[0]?.headers).toEqual({
      ':event-type': 'messageStart',
      ':content-type': 'application/json',
      ':message-type': 'event',
    })
    expect(found.at(-1)?.payload).toMatchObject({ usage: { inputTokens: 1, totalTokens: 6 }, metrics: {} })
    expect(Object.keys(stats().models)).toEqual(['us.anthropic.claude-sonnet-4-20250514-v1:0'])
    const failed = await post(url, `${base}/converse-stream`, { ...body, sim: { errorAfter: 0 } }, headers)
    expect(frames(failed.bytes).at(-1)?.headers).toMatchObject({
      ':message-type': 'exception',
      ':exception-type': 'internalServerException',
    })
  })

  it.each([
    [{ status: 429 }, 429, 'ThrottlingException'],
    [{ status: 400, code: 'context_length_exceeded' }, 400, 'ValidationException'],
    [{ status: 403 }, 403, 'AccessDeniedException'],
    [{ status: 424 }, 424, 'ModelErrorException'],
    [{ status: 503 }, 503, 'ServiceUnavailableException'],
  ])('answers %j as %i %s', async (fault, status, type) => {
    const { url } = await startSimulator()
    const refused = await post(url, `${base}/converse`, { ...body, sim: { fault } }, headers)
    expect([refused.status, String(refused.headers['x-amzn-errortype']).split(':')[0]]).toEqual([status, type])
    expect(Object.keys(refused.json())).toEqual(['message'])
  })

  it('takes a signed request, and refuses one without credentials', async () => {
    const { url } = await startSimulator({ apiKey: 'AKID', strictModels: true })
    const authorization =
      'AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/bedrock/aws4_request, ' +
      `SignedHeaders=content-type;host;x-amz-date, Signature=${'0a'.repeat(32)}`
    const signed = await post(url, `${base}/converse`, body, { authorization, 'x-amz-date': '20260101T000000Z' })
    expect([signed.status, signed.json().message]).toEqual([400, 'The provided model identifier is invalid.'])
    const typeOf = async (given: Record<string, string>) =>
      String((await post(url, `${base}/converse`, body, given)).headers['x-amzn-errortype']).split(':')[0]
    expect(await typeOf({})).toBe('MissingAuthenticationTokenException')
    expect(await typeOf({ authorization: authorization.replace('bedrock', 's3'), 'x-amz-date': 'x' })).toBe(
      'MissingAuthenticationTokenException',
    )
    expect(await typeOf(headers)).toBe('UnrecognizedClientException')
  })

  it('embeds as Titan, Cohere and Nova do', async () => {
    const { url } = await startSimulator({ defaults: { embedding: { dimensions: 3 } } })
    const titan = await post(url, '/model/titan/invoke', { inputText: 'some words' }, headers)
    expect(titan.json()).toMatchObject({ inputTextTokenCount: 3, embeddingsByType: { float: titan.json().embedding } })
    const texts = ['a', 'b']
    const cohere = await post(url, '/model/cohere/invoke', { texts, input_type: 'search_query' }, headers)
    expect(cohere.json().embeddings).toHaveLength(2)
    expect(cohere.headers['x-amzn-bedrock-input-token-count']).toBe('2')
    const types = { texts, input_type: 'search_query', embedding_types: ['float'] }
    expect((await post(url, '/model/cohere/invoke', types, headers)).json().embeddings.float).toHaveLength(2)
    const params = { embeddingDimension: 7, text: { value: 'a' } }
    const nova = { taskType: 'SINGLE_EMBEDDING', singleEmbeddingParams: params }
    expect((await post(url, '/model/nova/invoke', nova, headers)).json().embeddings[0].embedding).toHaveLength(7)
    expect((await post(url, '/model/other/invoke', {}, headers)).status).toBe(400)
  })
})
