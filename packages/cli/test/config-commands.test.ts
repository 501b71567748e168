import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { runProgram } from '../src/program.ts'

let directory = ''
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'inferq-cli-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

async function run(
  args: readonly string[],
  variables: Record<string, string> = {},
): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' }
  const code = await runProgram(args, {
    variables: { INFERQ_DATA_DIR: directory, ...variables },
    out: (part) => {
      text.out += part
    },
    err: (part) => {
      text.err += part
    },
    isTerminal: false,
    exit: () => {},
  })
  return { code, ...text }
}

const yaml = `
include: [more.yaml]
model_list:
  - {model_name: chat, litellm_params: {model: openai/gpt-4o, api_key: os.environ/PLANTED_KEY}}
routing:
  - {name: premium, condition: "user_tier == 'premium'", model: big, max_cost: 0.5}
  - {split: {chat: 90, big: 10}, sticky_by: user}
router_settings: {fallbacks: [{chat: [big]}]}
general_settings: {master_key: sk-planted-master, database_url: "postgres://u:sk-planted-pw@db/x"}
litellm_settings: {success_callback: [langfuse]}
`
const more = `
- {model_name: big, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: sk-planted-2}}
`
const variables = { PLANTED_KEY: 'sk-planted-1' }

function writeFiles(): string {
  write('more.yaml', more)
  return write('inferq.yaml', yaml)
}

const fixtures = join(import.meta.dirname, '../../config/test/fixtures')

describe('config check', () => {
  it('says what a configuration amounts to, and what it does not use', async () => {
    const { code, out, err } = await run(['config', 'check', writeFiles()], variables)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('Models (2, over 2 deployments)\n  chat: openai/gpt-4o\n  big: anthropic/claude-sonnet-4-5')
    expect(out).toContain("premium: user_tier == 'premium' → big  (at most 0.5 USD)")
    expect(out).toContain('routing[1]: always → chat 90, big 10 by user')
    expect(out).toContain('chat → big')
    expect(out).toMatch(/Accepted, not used \(\d+\)\n {2}.*success_callback.*inferq\.yaml:\d+/)
    expect(out).not.toContain('planted')
  })

  it('names every fault with its place, and ends with 3', async () => {
    write('more.yaml', '- {model_name: big, litellm_params: {model: opena/x}}\n')
    const file = write('inferq.yaml', yaml.replace('user_tier ==', 'user_tire =='))
    const { code, out, err } = await run(['config', 'check', file], variables)
    expect({ code, out }).toEqual({ code: 3, out: '' })
    expect(err).toMatch(/the configuration has \d faults/)
    expect(err).toMatch(/inferq\.yaml:6/)
    expect(err).toMatch(/more\.yaml:1/)
    expect(err).not.toContain('planted')
  })

  it('takes the file that the environment names, and says when it is not there', async () => {
    expect((await run(['config', 'check'], { ...variables, INFERQ_CONFIG: writeFiles() })).code).toBe(0)
    expect(await run(['config', 'check', join(directory, 'none.yaml')])).toMatchObject({ code: 3 })
    expect(await run(['config', 'check', '--jsno'])).toMatchObject({ code: 64, out: '' })
    expect(await run(['config', 'chekc'])).toMatchObject({ code: 64, out: '' })
  })
})

describe('config show', () => {
  it('prints the effective configuration as YAML or JSON, secrets masked', async () => {
    const file = writeFiles()
    const asYaml = await run(['config', 'show', file], variables)
    const asJson = await run(['config', 'show', '--json', file], variables)
    expect(asYaml.code).toBe(0)
    expect(parse(asYaml.out)).toEqual(JSON.parse(asJson.out))
    expect(JSON.parse(asJson.out)).toMatchObject({
      deployments: [{ model: 'chat', apiKey: '***' }, { model: 'big' }],
      masterKey: '***',
      workers: { maxAttempts: expect.any(Number) },
    })
    expect(asYaml.out + asJson.out).not.toContain('planted')
  })
})

describe('files found in the wild', () => {
  it.each(readdirSync(fixtures).filter((name) => name.endsWith('.yaml')))('%s checks and shows', async (name) => {
    const file = join(fixtures, name)
    const checked = await run(['config', 'check', file], wild)
    expect(checked).toMatchObject({ code: 0, err: '' })
    const shown = await run(['config', 'show', '--json', file], wild)
    expect(JSON.parse(shown.out)).toHaveProperty('models')
    expect(shown.out).not.toContain('sk-wild')
  })
})

/** What the files name. */
const wild = {
  OPENAI_API_KEY: 'sk-wild-1',
  ANTHROPIC_API_KEY: 'sk-wild-2',
  TOGETHER_API_KEY: 'sk-wild-3',
  GOOGLE_API_KEY: 'sk-wild-4',
  GROQ_API_KEY: 'sk-wild-5',
  REDIS_PASSWORD: 'sk-wild-6',
  LITELLM_MASTER_KEY: 'sk-wild-7',
  DATABASE_URL: 'postgres://u:sk-wild-8@h/d',
}

describe('route explain', () => {
  it('runs the rules of a file on a request, and tells why', async () => {
    const file = writeFiles()
    const body = write('request.json', JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Hi' }] }))
    const args = ['route', 'explain', '--config', file, '--body', body, '--header', 'x-inferq-user-tier=premium']
    const { code, out } = await run(args, variables)
    expect(code).toBe(0)
    expect(out).toMatch(/^big/)
    expect(out).toMatch(/premium +matched/)
    expect(out).toMatch(/routing\[1\] +not_reached/)
    const json = JSON.parse((await run([...args, '--json'], variables)).out)
    expect(json).toMatchObject({ operation: 'chat', decision: { kind: 'candidates', note: { rule: 'premium' } } })
  })

  it('ends with 1 when the request would be refused, and with 64 when it is none', async () => {
    writeFiles()
    const file = write('plain.yaml', yaml.replace(/^ {2}- \{split.*$/m, ''))
    const refused = write('refused.json', '{"model":"nobody","messages":[{"role":"user","content":"Hi"}]}')
    const { code, out } = await run(['route', 'explain', '--config', file, '--body', refused], variables)
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringContaining('model_not_found') })
    for (const text of ['{', '[]', '']) {
      const broken = write('broken.json', text)
      expect((await run(['route', 'explain', '--config', file, '--body', broken], variables)).code).toBe(64)
    }
    expect((await run(['route', 'explain', '--header', 'nothing'])).code).toBe(64)
  })
})

describe('asking a running ingress', () => {
  let server: Server
  let asked: { path: string | undefined; key: string | undefined; tier: string | string[] | undefined }[]
  let answer: { status: number; body: string }
  let url = ''

  beforeEach(async () => {
    asked = []
    server = createServer((request: IncomingMessage, response) => {
      const { authorization: key, 'x-inferq-user-tier': tier } = request.headers
      asked.push({ path: request.url, key, tier })
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  })

  it('reloads with the key of the environment, or the development key', async () => {
    answer = { status: 200, body: '{"changed":true,"fingerprint":"abc"}' }
    const own = await run(['config', 'reload', '--url', url], { INFERQ_MASTER_KEY: 'sk-own' })
    expect(own).toEqual({ code: 0, out: 'reloaded: abc\n', err: '' })
    write('key', `sk-inferq-dev-${'0'.repeat(32)}\n`)
    expect((await run(['config', 'reload', '--url', `${url}/`])).code).toBe(0)
    expect(asked).toMatchObject([
      { path: '/config/reload', key: 'Bearer sk-own' },
      { path: '/config/reload', key: `Bearer sk-inferq-dev-${'0'.repeat(32)}` },
    ])
  })

  it('tells the faults, and what is wrong otherwise, each with its code', async () => {
    const key = { INFERQ_MASTER_KEY: 'sk-own' }
    const reload = ['config', 'reload', '--url', url]
    answer = { status: 400, body: '{"error":{"message":"inferq.yaml:3: found x"},"faults":[]}' }
    expect(await run(reload, key)).toMatchObject({ code: 3, err: expect.stringContaining('inferq.yaml:3') })
    answer = { status: 403, body: '{"error":{"message":"needs an administrator key"}}' }
    expect(await run(reload, key)).toMatchObject({ code: 1, err: expect.stringContaining('administrator') })
    answer = { status: 200, body: '<html>' }
    expect(await run(reload, key)).toMatchObject({ code: 1, err: expect.stringContaining('does not answer as inferq') })
    expect(await run(['config', 'reload', '--url', 'http://127.0.0.1:2'], key)).toMatchObject({ code: 5 })
    expect(await run(reload)).toMatchObject({ code: 3, err: expect.stringContaining('INFERQ_MASTER_KEY') })
  })

  it('explains there, with the headers of the request', async () => {
    const body = write('request.json', '{"model":"chat","messages":[]}')
    const explanation = {
      ...{ object: 'route.explanation', operation: 'chat', facts: {}, rules: [], deployments: [], fallbacks: [] },
      estimate: { promptTokens: 1, completionTokens: 2, costUsd: null },
      decision: { kind: 'refused', error: { code: 'circuit_open', message: 'all are open' } },
    }
    answer = { status: 200, body: JSON.stringify(explanation) }
    const args = ['route', 'explain', '--url', url, '--body', body, '--header', 'X-Inferq-User-Tier=premium']
    const { code, out } = await run(args, { INFERQ_MASTER_KEY: 'sk-own' })
    expect({ code, out }).toMatchObject({ code: 1, out: expect.stringMatching(/circuit_open[\s\S]*price unknown/) })
    expect(asked).toMatchObject([{ path: '/v1/route/explain', tier: 'premium' }])
    answer = { status: 200, body: '{"object":"something"}' }
    expect(await run(args, { INFERQ_MASTER_KEY: 'sk-own' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('another version'),
    })
  })
})
