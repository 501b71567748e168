import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadConfig, loadConfigAtStart } from '../src/load-config.ts'
import { resolveMasterKey } from '../src/master-key.ts'
import { detectedVariable, loadConfigWithModels } from '../src/models.ts'
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

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const text = { out: '', err: '' }
  const code = await runProgram(args, {
    variables: {},
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

describe('the command', () => {
  it('says its version on standard output', async () => {
    expect(await run('--version')).toEqual({ code: 0, out: '0.1.0\n', err: '' })
  })

  it.each([
    [['upp']],
    [['up', '--portt', '1']],
    [['up', '--workers', '0']],
    [['worker', '--classes', ',']],
    [['jobs', 'list', '--since', 'yesterday']],
    [['jobs', 'list', '--status', 'dead']],
    [['jobs', 'retry']],
    [['jobs', 'retry', 'job_1', '--failed']],
    [['jobs', 'cancel']],
    [[]],
  ])('refuses %j as wrong use, on standard error', async (args) => {
    const { code, out, err } = await run(...args)
    expect({ code, out }).toEqual({ code: 64, out: '' })
    expect(err).not.toBe('')
  })
})

describe('the configuration of a command', () => {
  it('is read from the file, with secrets in files of their own', () => {
    const key = write('key', 'sk-secret\n')
    const file = write('a.yaml', `general_settings: {master_key: "file:${key}"}`)
    expect(loadConfig({ file, variables: {} }).config.masterKey).toBe('sk-secret')
    expect(loadConfig({ file, variables: {} }).file).toBe(file)
  })

  it('takes the models that a parent process has detected, without looking again', async () => {
    const detected = JSON.stringify([{ provider: 'ollama', baseUrl: 'http://127.0.0.1:2', models: [{ name: 'm' }] }])
    const { config } = await loadConfigWithModels(undefined, { [detectedVariable]: detected })
    expect(config.models.map((model) => model.name)).toEqual(['m'])
  })

  it.each(['{', '[1]', '[{"provider":"x"}]'])('refuses %s for what a parent writes', async (text) => {
    await expect(loadConfigWithModels(undefined, { [detectedVariable]: text })).rejects.toMatchObject({ exitCode: 3 })
  })

  it('needs models, and says what was tried', async () => {
    const variables = { OLLAMA_BASE_URL: 'http://127.0.0.1:2', VLLM_BASE_URL: 'http://127.0.0.1:2' }
    await expect(loadConfigWithModels(undefined, variables)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/OLLAMA_BASE_URL: http:\/\/127\.0\.0\.1:2: it cannot be reached/),
    })
  })
})

describe('the master key', () => {
  const config = loadConfig({ file: undefined, variables: {} }).config

  it('is the configured one wherever it listens', () => {
    expect(resolveMasterKey({ ...config, masterKey: 'sk-own' }, '0.0.0.0', directory)).toEqual({
      kind: 'own',
      value: 'sk-own',
    })
  })

  it('is the development key on this machine alone', () => {
    expect(resolveMasterKey(config, '127.0.0.1', directory)).toMatchObject({ kind: 'development' })
    expect(() => resolveMasterKey(config, '0.0.0.0', directory)).toThrow(/others can reach/)
  })
})

describe('a file that names models it does not have', () => {
  const yaml = `
model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: sk-a}}]
router_settings: {fallbacks: [{a: [added]}]}
classes: {gpu: {concurrency: 3}}
`

  it('is taken for the time being at a start, as those may have been added at run time', () => {
    const file = write('a.yaml', yaml)
    expect(() => loadConfig({ file, variables: {} })).toThrow(/added/)
    const loaded = loadConfigAtStart({ file, variables: {} })
    expect(loaded).toMatchObject({ isProvisional: true, config: { models: [{ name: 'a' }] } })
    expect(loaded.config.routing.fallbacks.any).toEqual({})
    const row = { id: 'x', modelName: 'added', litellmParams: { model: 'openai/b', api_key: 'sk-b' } }
    const overlay = [{ ...row, modelInfo: { class: 'gpu' } }]
    const { config } = loadConfig({ file, variables: {}, overlay })
    expect(config.routing.fallbacks.any).toEqual({ a: ['added'] })
  })

  it('is refused with any other fault', () => {
    const file = write('a.yaml', `${yaml}workers: {drain_s: soon}\n`)
    expect(() => loadConfigAtStart({ file, variables: {} })).toThrow(/drain_s/)
  })

  it('waits for nothing when it stands by itself', () => {
    const file = write('a.yaml', 'general_settings: {master_key: sk-own}\n')
    expect(loadConfigAtStart({ file, variables: {} })).not.toHaveProperty('isProvisional')
  })
})
