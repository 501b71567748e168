import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Child,
  createSilentLog,
  createSystemClock,
  type EmbeddedPostgres,
  spawnNodeChild,
  startEmbeddedPostgres,
} from '@inferq/runtime'
import { createSimulator, type Simulator, type SimulatorOptions } from '@inferq/simulator'
import { createStore } from '@inferq/store'
import { createLogger } from '@inferq/telemetry'
import { createTestRedis, type TestRedis } from '@inferq/testkit'

const root = join(import.meta.dirname, '../..')
const clock = createSystemClock()
const log = createSilentLog()

/** A service of the stack as its own process. */
export interface ServiceProcess extends Child {
  /** Of an ingress. */
  readonly url: string
  /** JSON lines it has logged, from the oldest kept. */
  readonly lines: readonly string[]
}

/** A whole installation for one test file: each service a process that can be killed, the simulator as its upstream. */
export interface Stack {
  readonly redis: TestRedis
  readonly databaseUrl: string
  readonly postgres: EmbeddedPostgres
  readonly simulator: Simulator
  readonly masterKey: string
  /** @param port default: any free one */
  startIngress(port?: number): Promise<ServiceProcess>
  /** @param variables instead of those of every service */
  startWorker(args?: readonly string[], variables?: Readonly<Record<string, string>>): Promise<ServiceProcess>
  startController(): Promise<ServiceProcess>
  /** Replaces the configuration file; nobody reads it before a reload. */
  writeConfig(text: string): Promise<void>
  close(): Promise<void>
}

export interface StackOptions {
  /** Further files beside the configuration, by name. */
  readonly files?: Readonly<Record<string, string>>
  /** Further variables of every service. */
  readonly variables?: (simulatorUrl: string) => Readonly<Record<string, string>>
  /** Addresses that the services find somewhere else: `ollama:11434` at `127.0.0.1:4711`. */
  readonly hosts?: (simulatorUrl: URL) => Readonly<Record<string, string>>
  readonly simulator?: SimulatorOptions
}

/** Models of the default configuration; `${SIMULATOR}` stands for the simulator's address. */
const defaultConfig = `
model_list:
  - model_name: chat
    litellm_params: {model: vllm/chat, api_base: "\${SIMULATOR}/v1"}
  - model_name: embed
    litellm_params: {model: vllm/embed, api_base: "\${SIMULATOR}/v1"}
    model_info: {mode: embedding}
  - model_name: llama
    litellm_params: {model: ollama/llama, api_base: "\${SIMULATOR}"}
workers: {drain_s: 3}
# Tests make upstreams fail on purpose; those of the breaker switch it on.
breaker: {enabled: false}
`

export async function startStack(config = defaultConfig, options: StackOptions = {}): Promise<Stack> {
  const folder = await mkdtemp(join(tmpdir(), 'inferq-stack-'))
  const redis = createTestRedis()
  const simulator = createSimulator(options.simulator)
  const masterKey = 'sk-test-master-key'
  const configFile = join(folder, 'inferq.yaml')
  const children: Child[] = []
  const cacheDir = join(root, '.inferq/cache')
  const [postgres] = await Promise.all([
    startEmbeddedPostgres({ dataDir: join(folder, 'postgres'), cacheDir, log }),
    simulator.start(),
    writeFile(configFile, config),
    ...Object.entries(options.files ?? {}).map(([name, text]) => writeFile(join(folder, name), text)),
  ])
  const hosts = JSON.stringify(options.hosts?.(new URL(simulator.url)) ?? {})

  const start = async (
    name: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<ServiceProcess> => {
    const lines: string[] = []
    const child = await spawnNodeChild({
      name,
      main: join(root, 'packages/cli/src/main.ts'),
      args: [name, ...args],
      execArgv: [
        '--disable-warning=ExperimentalWarning',
        ...(hosts === '{}' ? [] : ['--import', join(import.meta.dirname, 'fixtures/found-elsewhere.ts')]),
      ],
      env: {
        ...environment(),
        REDIS_URL: redis.url,
        DATABASE_URL: postgres.url,
        INFERQ_NAMESPACE: redis.keys.namespace,
        INFERQ_CONFIG: configFile,
        INFERQ_MASTER_KEY: masterKey,
        INFERQ_DATA_DIR: folder,
        SIMULATOR: simulator.url,
        INFERQ_STOP_DELAY_S: '0',
        TEST_HOSTS: hosts,
        ...options.variables?.(simulator.url),
        ...variables,
      },
      log,
      clock,
      readyTimeoutMs: 30_000,
      onLine: (line) => {
        lines.push(line)
        if (lines.length > 1_000) lines.shift()
      },
    })
    children.push(child)
    return { ...child, url: (child.detail as { url?: string } | null)?.url ?? '', lines }
  }

  const store = createStore({
    url: postgres.url,
    log: createLogger({ service: 'test', destination: { write() {} } }),
    maxConnections: 1,
  })
  await store.migrate()
  await store.close()
  return {
    redis,
    databaseUrl: postgres.url,
    postgres,
    simulator,
    masterKey,
    startIngress: (port = 0) => start('ingress', ['--port', String(port)]),
    startWorker: (args = [], variables = {}) => start('worker', args, variables),
    startController: () => start('controller', []),
    writeConfig: (text) => writeFile(configFile, text),
    async close() {
      for (const child of children) child.kill('SIGTERM')
      await Promise.all(children.map((child) => child.exited))
      await Promise.all([postgres.stop(), simulator.stop(), redis.close()])
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** This process's environment without what would configure an inferq. */
function environment(): NodeJS.ProcessEnv {
  const own =
    /^(INFERQ_|LITELLM_|OPENAI_|ANTHROPIC_|OLLAMA_|VLLM_|TOGETHER_|TOGETHERAI_|GROQ_|GEMINI_|GOOGLE_|MISTRAL_|REDIS_URL|DATABASE_URL|PORT$|CONFIG_FILE_PATH)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.test(name)))
}
