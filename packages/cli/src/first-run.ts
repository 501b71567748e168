import type { InferqConfig, ModelEntry } from '@inferq/config'
import type { MasterKey } from './master-key.ts'
import { seconds } from './screen.ts'

export interface FirstRun {
  readonly version: string
  readonly readyMs: number
  readonly baseUrl: string
  readonly config: InferqConfig
  /** The file the models are from; undefined: they were detected. */
  readonly configFile: string | undefined
  /** Only the development key is shown: another one is the user's own secret. */
  readonly key: MasterKey
  /** Where the services' log lines go; undefined: to standard error. */
  readonly logFile: string | undefined
}

/** The block that ends a start: what runs, where, and a line to paste. Names nothing that does not exist. */
export function formatFirstRun(facts: FirstRun): string {
  const { version, readyMs, baseUrl, config, key } = facts
  const title = `inferq ${version.replace(/\.0$/, '')} ready in ${seconds(readyMs)}`
  const rows: (readonly [string, string])[] = [
    ['API', `${baseUrl}/v1     docs /docs`],
    ['Key', key.kind === 'development' ? `${key.value}  (same after a restart)` : 'the master key you configured'],
    ['Backend', describeBackends(config, facts.configFile)],
    ...(facts.logFile === undefined ? [] : [['Logs', facts.logFile] as const]),
    ['Try', exampleCall(baseUrl, key.kind === 'development' ? key.value : '$INFERQ_MASTER_KEY', config)],
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(10)}${value}`)
  return ['', `${title.padEnd(48)}(Ctrl-C stops)`, ...lines].join('\n')
}

const providerTitles: Readonly<Record<string, string>> = {
  openai: 'OpenAI',
  vllm: 'vLLM',
  ollama: 'Ollama',
  anthropic: 'Anthropic',
  gemini: 'Gemini',
  together_ai: 'Together AI',
  groq: 'Groq',
  mistral: 'Mistral',
  deepseek: 'DeepSeek',
  openrouter: 'OpenRouter',
}

/** `Ollama at :11434, 3 models`, for every server in use. */
export function describeBackends(config: InferqConfig, configFile: string | undefined): string {
  if (config.deployments.length > 0 && config.deployments.every((deployment) => deployment.simulated)) {
    const origin = configFile === undefined ? 'none found: ' : ''
    return `${origin}the built-in simulated model`
  }
  if (config.deployments.length === 0) return 'none yet: add models with POST /model/new'
  const servers = new Map<string, { count: number; all: boolean }>()
  for (const { provider, baseUrl, simulated, upstreamModel } of config.deployments) {
    const server = simulated ? 'simulated' : `${providerTitles[provider] ?? provider} at ${shortAddress(baseUrl)}`
    const before = servers.get(server) ?? { count: 0, all: false }
    servers.set(server, { count: before.count + 1, all: before.all || upstreamModel.includes('*') })
  }
  const parts = [...servers].map(([server, { count, all }]) =>
    all ? `${server}, all its models` : `${server}, ${count} ${count === 1 ? 'model' : 'models'}`,
  )
  return configFile === undefined ? parts.join('; ') : `${parts.join('; ')}  (${configFile})`
}

/** `:11434` on this machine, else the host. */
function shortAddress(baseUrl: string): string {
  if (!URL.canParse(baseUrl)) return baseUrl
  const { hostname, host, port } = new URL(baseUrl)
  const local = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  return local && port !== '' ? `:${port}` : host
}

/** A whole command, to be pasted as it is. */
export function exampleCall(baseUrl: string, key: string, config: InferqConfig): string {
  const models = config.models.filter(({ name }) => !name.includes('*'))
  const model = models.find(({ name }) => name === config.defaultModel) ?? models.find(isChat) ?? models[0]
  // A wildcard says nothing of which names there are.
  if (model === undefined) return `curl ${baseUrl}/v1/models -H "authorization: Bearer ${key}"`
  const [path, body] = isChat(model)
    ? ['chat/completions', { model: model.name, stream: true, messages: [{ role: 'user', content: 'Hello' }] }]
    : ['embeddings', { model: model.name, input: 'Hello' }]
  const headers = `-H "authorization: Bearer ${key}" -H "content-type: application/json"`
  return `curl -N ${baseUrl}/v1/${path} ${headers} -d '${JSON.stringify(body).replaceAll("'", "'\\''")}'`
}

function isChat(model: ModelEntry): boolean {
  return model.mode !== 'embedding'
}
