import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { errorTable } from '@inferq/contracts'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDocExamples } from './doc-examples.ts'
import { createDocRunner, type DocRunner } from './doc-runner.ts'
import type { OpenApiDocument } from './openapi-document.ts'
import { type CurlRunner, createCurlRunner } from './run-curl.ts'
import { type System, startSystem, weatherCall } from './system.ts'

const root = join(import.meta.dirname, '../..')
const page = await readFile(join(root, 'docs/api.md'), 'utf8')
const readme = await readFile(join(root, 'README.md'), 'utf8')
const examples = parseDocExamples(page)

/** What the model does under a heading; elsewhere it says the documented words. */
const scripts: Readonly<Record<string, object>> = {
  Tools: { toolCalls: [weatherCall] },
  'Structured output': { text: null },
  Cancel: { text: null, tokens: 2_000, interTokenMs: 20 },
}
const usual = { text: 'Hello there!', toolCalls: null, tokens: null, interTokenMs: null }

let system: System
let receiver: Server
let curl: CurlRunner
let docs: DocRunner
let document: OpenApiDocument
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'inferq-docs-'))
  curl = await createCurlRunner(folder)
  receiver = createServer((request, response) => {
    request.resume()
    response.writeHead(204).end()
  }).listen(0, '127.0.0.1')
  system = await startSystem(`
model_list:
  - model_name: llama3.1
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}
    model_info: {class: llama3.1}
  - model_name: nomic-embed-text
    litellm_params: {model: vllm/embed, api_base: "\${SIMULATOR}/v1"}
    model_info: {mode: embedding}
  - model_name: gpt-4o-mini
    litellm_params: {model: openai/gpt-4o-mini, api_key: sk-none, api_base: "\${SIMULATOR}/v1"}
  - model_name: simulated
    litellm_params: {model: vllm/simulated, api_base: "\${SIMULATOR}/v1"}
webhooks: {allow_private: true}
workers: {drain_s: 3}
`)
  document = (await (await fetch(`${system.ingress.url}/openapi.json`)).json()) as OpenApiDocument
  const { port } = receiver.address() as AddressInfo
  docs = createDocRunner({
    curl,
    document,
    variables: { INFERQ: system.ingress.url, KEY: system.key },
    hosts: { 'https://hooks.example.com': `http://127.0.0.1:${port}` },
  })
})
afterAll(async () => {
  receiver.close()
  await system.stack.close()
  await rm(folder, { recursive: true, force: true })
})

describe('docs/api.md', () => {
  it('shows an answer to every example, and leaves none unrun', () => {
    expect(examples.length).toBeGreaterThan(50)
    for (const { line, commands, answer } of examples) {
      expect([line, commands.match(/^curl /gm)?.length, answer?.kind]).toEqual([line, 1, expect.any(String)])
    }
    expect(examples.filter(({ notRun }) => notRun !== undefined)).toEqual([])
  })

  it.each(examples.map((example) => [`${example.line}: ${example.heading}`, example] as const))(
    'is right at line %s',
    async (_name, example) => {
      system.stack.simulator.script('chat', { ...usual, ...scripts[example.heading] })
      expect(await docs.run(example)).toEqual([])
    },
  )

  it('lists every error with its status and type', () => {
    const rows = [...page.matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| `([a-z_]+)` \| .+ \|$/gm)]
    const documented = rows.map(([, code, status, type]) => [code, Number(status), type])
    const actual = Object.entries(errorTable).map(([code, { status, type }]) => [code, status, type])
    expect(documented.toSorted()).toEqual(actual.toSorted())
  })

  it('lists every header of an answer', async () => {
    const response = await fetch(`${system.baseUrl}/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${system.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hi' }] }),
    })
    await response.arrayBuffer()
    const own = [...response.headers.keys()].filter((name) => /^x-(inferq|litellm|request)-/.test(name))
    expect(own).toContain('x-inferq-cost')
    for (const name of own) expect(page).toContain(`\`${name}\``)
  })

  it('names every route of the OpenAPI document', () => {
    expect(Object.keys(document.paths).filter((path) => !mentions(path))).toEqual([])
  })
})

describe('README.md', () => {
  it('shows curl commands that work', async () => {
    const [example] = parseDocExamples(readme)
    const commands = example?.commands.replace(/^export KEY=.*$/m, '').split(/^(?=curl )/m) ?? []
    const [submit = '', follow = ''] = commands.filter((text) => text.startsWith('curl '))
    const here = (text: string): string => text.replaceAll('http://127.0.0.1:4000', system.ingress.url)
    const submitted = await curl.run(here(submit), { KEY: system.key })
    expect(submitted.status).toBe(202)
    const { id } = JSON.parse(submitted.body) as { id: string }
    const followed = await curl.run(here(follow).replace(/job_\w+…/, id), { KEY: system.key })
    const inOrder = ['id: 0-1\nevent: job.queued', 'id: 1-0\nevent: job.started', 'event: output.delta']
    const places = inOrder.map((text) => followed.body.indexOf(text))
    expect(places).not.toContain(-1)
    expect(places).toEqual(places.toSorted((a, b) => a - b))
  })
})

/** The page names a path in words (`GET /v1/jobs/{id}`), or uses it in an example. */
function mentions(path: string): boolean {
  const pattern = path
    .split(/\{[^}]+\}/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .join('(?:\\{[^}]+\\}|\\$[A-Z_]+|[\\w.-]+)')
  return new RegExp(`${pattern}(?![\\w/{])`).test(page)
}
