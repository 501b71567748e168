import { readCallbacks } from './checked-sections.ts'
import { readFiles } from './files-section.ts'
import type { InferqConfig, RetryKind } from './inferq-config.ts'
import { acceptedGeneralSettings, acceptedLitellmSettings, acceptedRouterSettings } from './litellm-keys.ts'
import {
  type ClassSettings,
  readBreaker,
  readClasses,
  readHealthChecks,
  readRetention,
  readWorkers,
} from './own-sections.ts'
import { defined, type Named, type Reader } from './reader.ts'
import { readShares } from './shares-section.ts'
import type { Tree } from './tree.ts'
import { readWebhooks } from './webhooks-section.ts'

/** What the sections beside models and routing say; undefined or missing where they say nothing. */
export interface Settings {
  readonly masterKey: string | undefined
  readonly databaseUrl: string | undefined
  readonly defaultModel: Named | undefined
  readonly bodyBytes: number | undefined
  readonly totalMs: number | undefined
  readonly firstTokenMs: number | undefined
  readonly workers: Partial<InferqConfig['workers']>
  readonly retention: Partial<InferqConfig['retention']>
  readonly files: Partial<InferqConfig['files']>
  readonly breaker: Partial<InferqConfig['breaker']>
  readonly retries: InferqConfig['retries']
  readonly healthChecks: Partial<InferqConfig['healthChecks']>
  readonly webhooks: Partial<InferqConfig['webhooks']>
  readonly shares: Partial<InferqConfig['shares']>
  readonly classes: ClassSettings
}

/** LiteLLM's sections, unpacked once: settings and routing both read them. */
export interface LitellmSections {
  readonly general: ReadonlyMap<string, Tree>
  readonly router: ReadonlyMap<string, Tree>
  readonly litellm: ReadonlyMap<string, Tree>
}

/** What routing reads of them. */
const routingKeys = {
  router: [
    ...['routing_strategy', 'fallback_models', 'fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks'],
    ...['default_fallbacks', 'max_fallbacks', 'model_group_alias', 'enable_tag_filtering', 'tag_filtering_match_any'],
    ...['enable_pre_call_checks', 'enable_pre_call_check', 'hybrid_weights'],
  ],
  litellm: ['fallbacks', 'context_window_fallbacks', 'content_policy_fallbacks', 'default_fallbacks'],
}
const breakerKeys = ['allowed_fails', 'cooldown_time', 'disable_cooldowns']
const callbackKeys = ['success_callback', 'failure_callback', 'callbacks', 'service_callback', 'service_callbacks']

const seconds = { above: 0, max: 86_400 }
const retries = { min: 0, max: 100, integer: true }

export function readLitellmSections(top: ReadonlyMap<string, Tree>, reader: Reader): LitellmSections {
  return {
    general: reader.sectionOf(top, 'general_settings', {
      acts: [
        ...['master_key', 'database_url', 'completion_model', 'max_request_size_mb', 'background_health_checks'],
        ...['health_check_interval', 'store_model_in_db'],
      ],
      accepted: acceptedGeneralSettings,
    }),
    router: reader.sectionOf(top, 'router_settings', {
      acts: [
        ...['num_retries', 'max_retries', 'timeout', 'stream_timeout', 'retry_policy', 'retry_after'],
        ...[...breakerKeys, ...routingKeys.router],
      ],
      accepted: acceptedRouterSettings,
    }),
    litellm: reader.sectionOf(top, 'litellm_settings', {
      acts: [
        ...['num_retries', 'request_timeout', 'cache', 'cache_params', 'rate_limit'],
        ...[...breakerKeys, ...callbackKeys, ...routingKeys.litellm],
      ],
      accepted: acceptedLitellmSettings,
      open: true,
    }),
  }
}

/** Reads every section but the models and their routing. */
export function readSettings(top: ReadonlyMap<string, Tree>, sections: LitellmSections, reader: Reader): Settings {
  const { general, router, litellm } = sections
  const megabytes = reader.number(general.get('max_request_size_mb'), { above: 0, max: 1024 })
  const numRetries =
    reader.number(router.get('num_retries') ?? router.get('max_retries'), retries) ??
    reader.number(litellm.get('num_retries'), retries)
  const routerTimeout = reader.number(router.get('timeout'), seconds)
  const requestTimeout = reader.number(litellm.get('request_timeout'), seconds)
  const streamTimeout = reader.number(router.get('stream_timeout'), seconds)
  for (const key of callbackKeys) readCallbacks(litellm.get(key), reader)
  alwaysOn(general.get('store_model_in_db'), reader)
  return {
    masterKey: reader.text(general.get('master_key'), { secret: true }),
    databaseUrl: reader.text(general.get('database_url'), { secret: true }),
    defaultModel: readDefaultModel(general.get('completion_model'), reader),
    bodyBytes: megabytes === undefined ? undefined : Math.ceil(megabytes * 1024 * 1024),
    totalMs: toMs(routerTimeout ?? requestTimeout),
    firstTokenMs: toMs(streamTimeout),
    workers: {
      ...(numRetries === undefined ? {} : { maxAttempts: numRetries + 1 }),
      ...readWorkers(top, reader),
    },
    retention: readRetention(top, reader),
    files: readFiles(top, reader),
    webhooks: readWebhooks(top, reader),
    shares: readShares(top, reader),
    breaker: { ...readCooldowns(litellm, reader), ...readCooldowns(router, reader), ...readBreaker(top, reader) },
    retries: {
      attempts: readRetryPolicy(router.get('retry_policy'), reader),
      minWaitSeconds: reader.number(router.get('retry_after'), { min: 0, max: 3600 }) ?? 0,
    },
    healthChecks: {
      ...defined({
        background: reader.flag(general.get('background_health_checks')),
        intervalSeconds: reader.number(general.get('health_check_interval'), { min: 1, max: 86_400 }),
      }),
      ...readHealthChecks(top, reader),
    },
    classes: readClasses(top, reader),
  }
}

/** Something that inferq always does: saying so is right, saying otherwise has no effect. */
export function alwaysOn(tree: Tree | undefined, reader: Reader): void {
  if (tree !== undefined && reader.flag(tree) === false) reader.notUsed(tree, 'it is always on')
}

function readDefaultModel(tree: Tree | undefined, reader: Reader): Named | undefined {
  const name = reader.text(tree)
  return tree === undefined || name === undefined ? undefined : { name, place: tree }
}

/** LiteLLM's spelling of the breaker. It takes 0 allowed failures for "the first one counts", which is 1 here. */
function readCooldowns(section: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['breaker']> {
  const allowed = reader.number(section.get('allowed_fails'), { min: 0, max: 100_000, integer: true })
  const disabled = reader.flag(section.get('disable_cooldowns'))
  return defined({
    allowedFails: allowed === undefined ? undefined : Math.max(1, allowed),
    cooldownSeconds: reader.number(section.get('cooldown_time'), seconds),
    enabled: disabled === undefined ? undefined : !disabled,
  })
}

/** LiteLLM counts retries; an attempt more is made. */
const retryKinds: Readonly<Record<string, RetryKind>> = {
  TimeoutErrorRetries: 'timeout',
  RateLimitErrorRetries: 'rate_limit',
  ContentPolicyViolationErrorRetries: 'content_policy',
  InternalServerErrorRetries: 'server',
  AuthenticationErrorRetries: 'authentication',
  BadRequestErrorRetries: 'bad_request',
}

function readRetryPolicy(tree: Tree | undefined, reader: Reader): InferqConfig['retries']['attempts'] {
  const attempts: Partial<Record<RetryKind, number>> = {}
  for (const [key, value] of reader.section(tree, { acts: Object.keys(retryKinds) }) ?? []) {
    const count = reader.number(value, retries)
    const kind = retryKinds[key]
    if (kind !== undefined && count !== undefined) attempts[kind] = count + 1
  }
  return attempts
}

function toMs(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.ceil(value * 1000)
}
