import { readFileSync } from 'node:fs'
import { formatFault, type InferqConfig, parseConfig } from '@inferq/config'
import {
  choiceVariable,
  createSystemClock,
  EnvironmentError,
  errorMessage,
  parseEnvironment,
  readEnvironment,
  runUntilSignal,
  textVariable,
  urlVariable,
} from '@inferq/runtime'
import { createInferqMetrics, createLogger, createMetrics } from '@inferq/telemetry'
import { composeController } from './compose.ts'

/** One controller, from the environment (REDIS_URL, DATABASE_URL, INFERQ_CONFIG), until it is told to stop. */
async function main(): Promise<number> {
  const environment = parseEnvironment(readEnvironment(process.env), {
    redisUrl: urlVariable<string>('REDIS_URL', { protocols: ['redis:', 'rediss:', 'redis+unix:', 'unix:'] }),
    databaseUrl: urlVariable<string>('DATABASE_URL', { protocols: ['postgres:', 'postgresql:'] }),
    configFile: textVariable('INFERQ_CONFIG', { default: undefined }),
    namespace: textVariable('INFERQ_NAMESPACE', { default: undefined }),
    logLevel: choiceVariable('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], { default: 'info' }),
  })
  if (!environment.ok) throw new EnvironmentError(environment.faults)
  const { redisUrl, databaseUrl, configFile, namespace, logLevel } = environment.value

  const log = createLogger({ service: 'controller', level: logLevel })
  const clock = createSystemClock()
  const registry = createMetrics()
  const controller = composeController({
    config: readConfig(configFile),
    redisUrl,
    databaseUrl,
    clock,
    log,
    registry,
    metrics: createInferqMetrics(registry),
    ...(namespace === undefined ? {} : { namespace }),
  })
  const code = await runUntilSignal(controller, { log, exit: (exitCode) => process.exit(exitCode) })
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
