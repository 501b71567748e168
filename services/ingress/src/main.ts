import { readFileSync } from 'node:fs'
import { formatFault, type InferqConfig, parseConfig } from '@inferq/config'
import {
  choiceVariable,
  createService,
  createServiceGroup,
  createSystemClock,
  EnvironmentError,
  errorMessage,
  flagVariable,
  integerVariable,
  parseEnvironment,
  readEnvironment,
  runUntilSignal,
  textVariable,
  urlVariable,
} from '@inferq/runtime'
import { createStore } from '@inferq/store'
import { createLogger, createMetrics } from '@inferq/telemetry'
import { composeIngress } from './compose.ts'

/** One ingress, from the environment (REDIS_URL, DATABASE_URL, INFERQ_CONFIG, HOST, PORT), until it is told to stop. */
async function main(): Promise<number> {
  const environment = parseEnvironment(readEnvironment(process.env), {
    redisUrl: urlVariable<string>('REDIS_URL', { protocols: ['redis:', 'rediss:', 'redis+unix:', 'unix:'] }),
    databaseUrl: urlVariable<string>('DATABASE_URL', { protocols: ['postgres:', 'postgresql:'] }),
    configFile: textVariable('INFERQ_CONFIG', { default: undefined }),
    namespace: textVariable('INFERQ_NAMESPACE', { default: undefined }),
    publicUrl: urlVariable('INFERQ_PUBLIC_URL', { default: undefined, protocols: ['http:', 'https:'] }),
    trustProxy: flagVariable('INFERQ_TRUST_PROXY', { default: false }),
    host: textVariable('HOST', { default: '127.0.0.1' }),
    port: integerVariable('PORT', { default: 4000, min: 0, max: 65_535 }),
    logLevel: choiceVariable('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], { default: 'info' }),
  })
  if (!environment.ok) throw new EnvironmentError(environment.faults)
  const { redisUrl, databaseUrl, configFile, namespace, publicUrl, trustProxy, host, port, logLevel } = environment.value

  const log = createLogger({ service: 'ingress', level: logLevel })
  const clock = createSystemClock()
  const store = createStore({ url: databaseUrl, log })
  const config = readConfig(configFile)
  const ingress = composeIngress({
    config: () => config,
    listen: { host, port },
    redisUrl,
    store,
    clock,
    log,
    metrics: createMetrics(),
    options: { trustProxy, ...(publicUrl === undefined ? {} : { publicUrl: publicUrl.replace(/\/+$/, '') }) },
    ...(namespace === undefined ? {} : { namespace }),
  })
  const records = createService({ name: 'store', start: () => store.ping(), stop: () => store.close() })
  const group = createServiceGroup({ log, clock, name: 'ingress', stopTimeoutMs: 35_000 }, [records, ingress])
  const code = await runUntilSignal(group, {
    log,
    exit: (exitCode) => process.exit(exitCode),
    onStarted: () => log.info({ url: ingress.url() }, 'listening'),
  })
  await log.flush()
  return code
}

function readConfig(file: string | undefined): InferqConfig {
  const source = file === undefined ? undefined : { file, text: readFileSync(file, 'utf8') }
  const result = parseConfig({ env: process.env, ...(source === undefined ? {} : { source }) })
  if (result.kind === 'config') return result.config
  throw new Error(`the configuration is not usable\n${result.faults.map(formatFault).join('\n')}`)
}

try {
  process.exitCode = await main()
} catch (thrown) {
  process.stderr.write(`${errorMessage(thrown)}\n`)
  process.exitCode = 1
}
