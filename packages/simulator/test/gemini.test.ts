import { describe, expect, it } from 'vitest'
import { type Loose, sseData } from './readers.ts'
import { call, post, startSimulator } from './support.ts'

describe('Gemini', () => {
  const headers = { 'x-goog-api-key': 'k' }
  const base = '/v1beta/models/m'
  const contents = [{ role: 'user', parts: [{ text: 'hi' }] }]

  it('streams a JSON array where no events are asked for', async () => {
    const { url } = await startSimulator({ models: { m: { text: 'a b' } } })
    const { json } = await post(url, `${base}:streamGenerateContent`, { contents }, headers)
    const said = json().map(({ candidates: [{ content }] }: Loose) => content.parts[0].text)
    expect(said).toEqual(['a', ' b', ''])
    const broken = { contents, sim: { errorAfter: 1 } }
    const failed = (await post(url, `${base}:streamGenerateContent`, broken, headers)).json()
    expect(failed.at(-1)).toMatchObject({ error: { code: 500, status: 'INTERNAL' } })
  })

  it('counts what has been said in each chunk, thoughts apart', async () => {
    const { url } = await startSimulator({ models: { m: { reasoning: 'Hm', text: 'a b' } } })
    const { text } = await post(url, `${base}:streamGenerateContent?alt=sse`, { contents }, headers)
    const counts = sseData(text).map(
      ({ usageMetadata: { candidatesTokenCount, thoughtsTokenCount, totalTokenCount } }) => [
        candidatesTokenCount,
        thoughtsTokenCount,
        totalTokenCount,
      ],
    )
    expect(counts).toEqual([
      [0, 1, 2],
      [1, 1, 3],
      [2, 1, 4],
      [2, 1, 4],
    ])
  })

  it('answers with several candidates, safety ratings and log probabilities', async () => {
    const { url } = await startSimulator({ models: { m: { logprob: -0.25, tokens: 4 } } })
    const generationConfig = { candidateCount: 2, responseLogprobs: true, logprobs: 1 }
    const { json } = await post(url, `${base}:generateContent`, { contents, generationConfig }, headers)
    const { candidates } = json()
    expect(candidates.map(({ index, avgLogprobs }: Loose) => [index, avgLogprobs])).toEqual([
      [0, -0.25],
      [1, -0.25],
    ])
    expect(candidates[0].logprobsResult.chosenCandidates).toHaveLength(4)
    const refused = await post(url, `${base}:generateContent`, { contents, sim: { refusal: 'No.' } }, headers)
    expect(refused.json().candidates[0]).toEqual({
      finishReason: 'SAFETY',
      index: 0,
      safetyRatings: [expect.objectContaining({ blocked: true })],
    })
    const blocked = await post(url, `${base}:generateContent`, { contents, sim: { contentFilter: true } }, headers)
    expect(blocked.json()).toMatchObject({
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount: 1 },
    })
    expect(blocked.json()).not.toHaveProperty('candidates')
  })

  it('follows a schema whose types are written in capitals', async () => {
    const { url } = await startSimulator()
    const responseSchema = { type: 'OBJECT', properties: { size: { type: 'INTEGER' } } }
    const generationConfig = { responseMimeType: 'application/json', responseSchema }
    const { json } = await post(url, `${base}:generateContent`, { contents, generationConfig }, headers)
    expect(JSON.parse(json().candidates[0].content.parts[0].text)).toEqual({ size: 42 })
  })

  it('says in the body when to try again, and who may call', async () => {
    const { url } = await startSimulator({ apiKey: 'right' })
    const wrong = await post(url, `${base}:generateContent`, { contents }, { 'x-goog-api-key': 'wrong' })
    expect([wrong.status, wrong.json().error]).toEqual([
      400,
      expect.objectContaining({
        status: 'INVALID_ARGUMENT',
        details: [expect.objectContaining({ reason: 'API_KEY_INVALID' })],
      }),
    ])
    const missing = await post(url, `${base}:generateContent`, { contents }, {})
    expect([missing.status, missing.json().error.status]).toEqual([403, 'PERMISSION_DENIED'])
    const sim = { fault: { status: 429, retryAfterS: 3.5 } }
    const limited = await post(url, `${base}:generateContent?key=right`, { contents, sim }, {})
    expect(limited.json().error).toMatchObject({
      code: 429,
      status: 'RESOURCE_EXHAUSTED',
      details: [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '3.5s' }],
    })
  })

  it('embeds one text or a batch, counts tokens and lists models', async () => {
    const { url, stats } = await startSimulator({ models: { 'gemini-embedding': {}, m: {} } })
    const content = { parts: [{ text: 'some words' }] }
    const one = await post(url, `${base}:embedContent`, { content, outputDimensionality: 5 }, headers)
    expect(one.json().embedding.values).toHaveLength(5)
    const requests = [{ content, outputDimensionality: 5 }, { content: { parts: [{ text: 'other' }] } }]
    const batch = (await post(url, `${base}:batchEmbedContents`, { requests }, headers)).json()
    expect(batch.embeddings[0]).toEqual(one.json().embedding)
    expect(batch.embeddings).toHaveLength(2)
    const many = { requests: Array.from({ length: 101 }, () => ({ content })) }
    expect((await post(url, `${base}:batchEmbedContents`, many, headers)).status).toBe(400)
    expect(stats().wires.gemini).toMatchObject({ embeddingCalls: 3, embeddingItems: 104, rejected: 1 })
    expect((await post(url, `${base}:countTokens`, { contents }, headers)).json()).toEqual({ totalTokens: 1 })
    const models = JSON.parse((await call(url, '/v1beta/models', undefined, { headers })).text) as Loose
    expect(models.models.map(({ name }: Loose) => name)).toEqual(['models/gemini-embedding', 'models/m'])
  })
})
