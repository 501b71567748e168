import { describe, expect, it } from 'vitest'
import { sseData } from './readers.ts'
import { post, startSimulator } from './support.ts'

describe('Azure', () => {
  const headers = { 'api-key': 'k' }
  const path = '/openai/deployments/gpt-x/chat/completions?api-version=2024-10-21'
  const messages = [{ role: 'user', content: 'hi' }]

  it('takes the model from the path and tells what its filter found', async () => {
    const { url, stats } = await startSimulator({ defaults: { text: 'Hi.' } })
    const { text } = await post(url, path, { messages, stream: true }, headers)
    expect(sseData(text)[0]).toMatchObject({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] })
    const whole = (await post(url, path, { messages, model: 'ignored' }, headers)).json()
    expect(whole).toMatchObject({ model: 'gpt-x', prompt_filter_results: [{ prompt_index: 0 }] })
    const modern = await post(url, '/openai/v1/chat/completions', { messages, model: 'gpt-y' }, headers)
    expect(modern.json()).toMatchObject({ model: 'gpt-y' })
    const input = { input: 'x' }
    const embedded = await post(url, '/openai/deployments/e/embeddings?api-version=2024-10-21', input, headers)
    expect(embedded.json().data).toHaveLength(1)
    const completed = await post(
      url,
      '/openai/deployments/t/completions?api-version=2024-10-21',
      { prompt: 'x' },
      headers,
    )
    expect(completed.json().choices[0].text).toBe('Hi.')
    expect(stats().wires.azure).toMatchObject({ calls: 5, completed: 5, embeddingItems: 1 })
  })

  it('blocks a prompt with the reason in an inner error', async () => {
    const { url } = await startSimulator()
    const { status, json } = await post(url, path, { messages, sim: { contentFilter: true } }, headers)
    expect(status).toBe(400)
    expect(json().error).toMatchObject({
      code: 'content_filter',
      param: 'prompt',
      status: 400,
      innererror: {
        code: 'ResponsibleAIPolicyViolation',
        content_filter_result: { violence: { filtered: true, severity: 'medium' } },
      },
    })
  })

  it.each([
    [path.replace('?api-version=2024-10-21', ''), headers, 404, '404'],
    [path, {}, 401, '401'],
    [path, headers, 404, 'DeploymentNotFound'],
  ])('refuses %s with %j', async (at, given, status, code) => {
    const { url } = await startSimulator({ strictModels: true })
    const refused = await post(url, at, { messages }, given)
    expect([refused.status, refused.json().error.code]).toEqual([status, code])
  })
})
