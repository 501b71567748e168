import { describe, expect, it } from 'vitest'
import { formatFault, type InferqConfig, maskConfig, parseConfig } from '../src/index.ts'

let count = 0
/** Another secret each time, recognisable. */
function secret(): string {
  count += 1
  return `hidden-${count}`
}

function big(): string {
  return `
environment_variables: {MASTER: ${secret()}, TOKEN: ${secret()}}
model_list:
  - model_name: a
    litellm_params:
      model: openai/x
      api_base: "http://user:${secret()}@h/v1"
      api_key: ${secret()}
      organization: ${secret()}
      max_tokens: 5
      headers: {authorization: ${secret()}}
      extra_headers: {X-Anything: ${secret()}}
      extra_body: {api_key: ${secret()}, nested: [{client_secret: ${secret()}, access_token: ${secret()}}]}
    model_info: {owner: ops, vault_password: ${secret()}, input_cost_per_token: 0.1, output_cost_per_token: 0.1}
  - model_name: b
    litellm_params: {model: bedrock/anthropic.claude-3-haiku-20240307-v1:0, aws_region_name: eu-west-1, aws_access_key_id: ${secret()}, aws_secret_access_key: ${secret()}, aws_session_token: ${secret()}}
  - {model_name: c, litellm_params: {model: gpt-4o}}
  - {model_name: d, litellm_params: {model: ollama/x, api_base: "http://${secret()}@ollama:11434", api_key: os.environ/TOKEN}}
load_balancing: [{provider: openai, api_keys: [${secret()}, ${secret()}]}]
cache: {type: redis, password: ${secret()}, url: "redis://:${secret()}@h"}
litellm_settings: {cache_params: {password: ${secret()}}}
general_settings: {master_key: os.environ/MASTER, database_url: "postgres://u:${secret()}@h/d"}
router_settings: {redis_password: ${secret()}}
`
}

function load(text: string): InferqConfig {
  const result = parseConfig({ source: { file: 'f', text }, env: {} })
  if (result.kind === 'invalid') throw new Error(result.faults.map(formatFault).join('\n'))
  return result.config
}

describe('no secret', () => {
  it('survives masking', () => {
    const config = load(big())
    expect(JSON.stringify(config)).toContain('hidden-')
    const printed = JSON.stringify(maskConfig(config))
    expect(printed).not.toContain('hidden')
    for (const open of ['"max_tokens":5', 'postgres://u:***@h/d', '"owner":"ops"', '"input_cost_per_token":0.1']) {
      expect(printed).toContain(open)
    }
    expect(printed).toContain('"aws_secret_access_key":"***"')
  })

  it('of a row of the database survives masking', () => {
    const overlay = [
      {
        id: 'r',
        modelName: 'm',
        litellmParams: { model: 'openai/x', api_key: 'hidden' },
        modelInfo: { token: 'hidden' },
      },
    ]
    const result = parseConfig({ env: {}, overlay })
    if (result.kind === 'invalid') throw new Error('invalid')
    expect(JSON.stringify(maskConfig(result.config))).not.toContain('hidden')
  })

  it('is in what is told as unused', () => {
    expect(load(big()).unused.join()).not.toContain('hidden')
  })

  it('is in a fault, whatever line of the file is broken or lost', () => {
    const text = big()
    const lines = text.split('\n')
    const broken = lines.flatMap((line, index) => {
      const other = (changed: string): string => lines.with(index, changed).join('\n')
      return [
        other(''),
        other(line.replace(/[a-z_]+: /, 'wrong: ')),
        other(`${line} {`),
        other(line.replace(/: (hidden-\d+)/, ': [$1]')),
        other(line.replace(/: (hidden-\d+)/, ': {$1: $1}')),
        other(line.replace(/: (hidden-\d+)/, ': *$1')),
        other(line.replace(/: (hidden-\d+)/, ': "$1" $1')),
        other(line.replace(/: (hidden-\d+)/, ': !$1 $1')),
      ]
    })
    let invalid = 0
    for (const changed of broken) {
      const result = parseConfig({ source: { file: 'f', text: changed }, env: {} })
      if (result.kind === 'config') continue
      invalid += 1
      expect(result.faults.map(formatFault).join('\n')).not.toContain('hidden')
    }
    expect(invalid).toBeGreaterThan(50)
  })
})
