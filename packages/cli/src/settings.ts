import { relative, resolve } from 'node:path'
import type { IngressOptions } from '@inferq/ingress'
import {
  choiceVariable,
  describeFault,
  flagVariable,
  integerVariable,
  parseEnvironment,
  readEnvironment,
  textVariable,
  urlVariable,
} from '@inferq/runtime'
import { CommandError, exitCodes } from './exit-codes.ts'

export type Variables = Readonly<Record<string, string | undefined>>

/** What the environment says to every command; each variable is also read from the file that `<NAME>_FILE` names. */
export interface Settings {
  readonly redisUrl: string | undefined
  readonly databaseUrl: string | undefined
  readonly dataDir: string
  readonly host: string
  readonly port: number
  /** Where clients reach the ingress, for the URLs in answers: without a slash at its end. Not set: as each request came. */
  readonly publicUrl: string | undefined
  /** A secret: opens `/autoscale` of the ingress and nothing else. */
  readonly autoscaleKey: string | undefined
  /** A proxy stands before the ingress: `x-forwarded-*` is believed. */
  readonly trustProxy: boolean
  /** How long a stopping ingress stays open for balancers that ask for its readiness, and what it gives its clients then. */
  readonly stopDelaySeconds: number
  readonly stopTimeoutSeconds: number
  /** Where a service shows its metrics and that it lives; nowhere when not set. */
  readonly metricsPort: number | undefined
  readonly configFile: string | undefined
  readonly namespace: string | undefined
  /** A secret. Seals the models added at run time; not set: the master key does. */
  readonly saltKey: string | undefined
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
}

const schema = {
  redisUrl: urlVariable('REDIS_URL', {
    protocols: ['redis:', 'rediss:', 'redis+unix:', 'unix:'],
    default: undefined,
  }),
  databaseUrl: urlVariable('DATABASE_URL', { protocols: ['postgres:', 'postgresql:'], default: undefined }),
  dataDir: textVariable('INFERQ_DATA_DIR', { default: '.inferq' }),
  host: textVariable('INFERQ_HOST', { default: '127.0.0.1' }),
  port: integerVariable('PORT', { min: 0, max: 65_535, default: 4000 }),
  publicUrl: urlVariable('INFERQ_PUBLIC_URL', { protocols: ['http:', 'https:'], default: undefined }),
  autoscaleKey: textVariable('INFERQ_AUTOSCALE_KEY', { default: undefined }),
  trustProxy: flagVariable('INFERQ_TRUST_PROXY', { default: false }),
  stopDelaySeconds: integerVariable('INFERQ_STOP_DELAY_S', { min: 0, max: 3_600, default: 5 }),
  stopTimeoutSeconds: integerVariable('INFERQ_STOP_TIMEOUT_S', { min: 1, max: 86_400, default: 30 }),
  metricsPort: integerVariable('INFERQ_METRICS_PORT', { min: 1, max: 65_535, default: undefined }),
  ownConfig: textVariable('INFERQ_CONFIG', { default: undefined }),
  pathConfig: textVariable('CONFIG_FILE_PATH', { default: undefined }),
  litellmConfig: textVariable('LITELLM_CONFIG_PATH', { default: undefined }),
  namespace: textVariable('INFERQ_NAMESPACE', { default: undefined }),
  ownSaltKey: textVariable('INFERQ_SALT_KEY', { default: undefined }),
  litellmSaltKey: textVariable('LITELLM_SALT_KEY', { default: undefined }),
  logLevel: choiceVariable('LOG_LEVEL', ['debug', 'info', 'warn', 'error'], { default: 'info' }),
}

/** Throws CommandError 3 naming every variable that is wrong. */
export function readSettings(variables: Variables): Settings {
  const parsed = parseEnvironment(readEnvironment(variables), schema)
  if (!parsed.ok) {
    const message = `the environment is not usable\n${parsed.faults.map(describeFault).join('\n')}`
    throw new CommandError(exitCodes.configInvalid, message)
  }
  const { ownConfig, pathConfig, litellmConfig, ownSaltKey, litellmSaltKey, publicUrl, ...settings } = parsed.value
  return {
    ...settings,
    publicUrl: publicUrl === undefined ? undefined : plainUrl(publicUrl),
    configFile: ownConfig ?? pathConfig ?? litellmConfig,
    saltKey: ownSaltKey ?? litellmSaltKey,
  }
}

/** Paths are put after it, so it ends with none of what may follow a path, and holds no password that answers would show. */
function plainUrl(text: string): string {
  const { protocol, host, pathname, username, password, search, hash } = new URL(text)
  if (username + password + search + hash === '') return `${protocol}//${host}${pathname.replace(/\/+$/, '')}`
  const message = 'the environment is not usable\nINFERQ_PUBLIC_URL: found a URL with more than host, port and path'
  throw new CommandError(exitCodes.configInvalid, message)
}

/** What the environment says of how the ingress is reached. */
export function ingressOptionsOf(
  settings: Settings,
): Pick<IngressOptions, 'trustProxy' | 'publicUrl' | 'autoscaleKey'> {
  const { trustProxy, publicUrl, autoscaleKey } = settings
  return {
    trustProxy,
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(autoscaleKey === undefined ? {} : { autoscaleKey }),
  }
}

/** Redis for a command that cannot bring its own. */
export function requireRedisUrl(settings: Settings): string {
  if (settings.redisUrl !== undefined) return settings.redisUrl
  throw new CommandError(exitCodes.configInvalid, 'REDIS_URL is not set', redisMend)
}

const redisMend = 'set REDIS_URL=redis://host:6379, or run `inferq up`, which brings a Redis of its own'

/** Postgres for a command that cannot bring its own. `fromConfig` is what the configuration file says. */
export function requireDatabaseUrl(settings: Settings, fromConfig: string | undefined): string {
  const url = fromConfig ?? settings.databaseUrl
  if (url !== undefined) return url
  const mend = 'set DATABASE_URL=postgres://…, or run `inferq up`, which brings a Postgres of its own'
  throw new CommandError(exitCodes.configInvalid, 'DATABASE_URL is not set', mend)
}

/** Only this machine can reach it. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** A path as the user would write it. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), resolve(path))
  return near === '' || near.startsWith('..') ? path : near
}
