import { isClassName } from './deployment.ts'
import type { ClassConfig, InferqConfig } from './inferq-config.ts'
import { acceptedGeneralSettings, acceptedLitellmSettings, acceptedRouterSettings } from './litellm-keys.ts'
import type { Reader } from './reader.ts'
import type { Place, Tree } from './tree.ts'

/** What the sections beside `model_list` say; undefined where they say nothing. */
export interface Settings {
  readonly masterKey: string | undefined
  readonly databaseUrl: string | undefined
  readonly defaultModel: { readonly name: string; readonly place: Place } | undefined
  readonly bodyBytes: number | undefined
  readonly totalMs: number | undefined
  readonly firstTokenMs: number | undefined
  readonly workers: Partial<InferqConfig['workers']>
  readonly retention: Partial<InferqConfig['retention']>
  readonly classes: ReadonlyMap<string, { readonly place: Tree; readonly settings: Partial<ClassConfig> }>
}

const seconds = { above: 0, max: 86_400 }
const retries = { min: 0, max: 100, integer: true }

/** Reads every section but `model_list`. */
export function readSettings(top: ReadonlyMap<string, Tree>, reader: Reader): Settings {
  const general = section(top, 'general_settings', reader, {
    acts: ['master_key', 'database_url', 'completion_model', 'max_request_size_mb'],
    accepted: acceptedGeneralSettings,
  })
  const router = section(top, 'router_settings', reader, {
    acts: ['num_retries', 'timeout', 'stream_timeout'],
    accepted: acceptedRouterSettings,
  })
  const litellm = section(top, 'litellm_settings', reader, {
    acts: ['num_retries', 'request_timeout'],
    accepted: acceptedLitellmSettings,
    open: true,
  })
  const megabytes = reader.number(general.get('max_request_size_mb'), { above: 0, max: 1024 })
  const routerRetries = reader.number(router.get('num_retries'), retries)
  const litellmRetries = reader.number(litellm.get('num_retries'), retries)
  const numRetries = routerRetries ?? litellmRetries
  const routerTimeout = reader.number(router.get('timeout'), seconds)
  const requestTimeout = reader.number(litellm.get('request_timeout'), seconds)
  const streamTimeout = reader.number(router.get('stream_timeout'), seconds)
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
    classes: readClasses(top, reader),
  }
}

function readDefaultModel(tree: Tree | undefined, reader: Reader): Settings['defaultModel'] {
  const name = reader.text(tree)
  return tree === undefined || name === undefined ? undefined : { name, place: tree }
}

function readWorkers(top: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['workers']> {
  const workers = section(top, 'workers', reader, { acts: ['lock_s', 'stalled_s', 'max_attempts', 'drain_s'] })
  return defined({
    lockSeconds: reader.number(workers.get('lock_s'), { min: 1, max: 3600 }),
    stalledSeconds: reader.number(workers.get('stalled_s'), { min: 1, max: 3600 }),
    maxAttempts: reader.number(workers.get('max_attempts'), { min: 1, max: 101, integer: true }),
    drainSeconds: reader.number(workers.get('drain_s'), { min: 0, max: 86_400 }),
  })
}

function readRetention(top: ReadonlyMap<string, Tree>, reader: Reader): Partial<InferqConfig['retention']> {
  const retention = section(top, 'retention', reader, { acts: ['results', 'prompts', 'spend'] })
  return defined({
    resultSeconds: reader.seconds(retention.get('results')),
    promptSeconds: reader.seconds(retention.get('prompts')),
    spendSeconds: reader.seconds(retention.get('spend')),
  })
}

function readClasses(top: ReadonlyMap<string, Tree>, reader: Reader): Settings['classes'] {
  const classes = new Map<string, { place: Tree; settings: Partial<ClassConfig> }>()
  for (const [name, tree] of reader.names(top.get('classes')) ?? []) {
    if (!isClassName(name)) {
      reader.fault(tree, `the class name "${name.slice(0, 60)}"`, '1 to 200 printable characters without spaces')
      continue
    }
    const values = reader.section(tree, { acts: ['concurrency', 'options'], accepted: ['max_queue', 'swap_cost_s'] })
    const options: Record<string, unknown> = {}
    for (const [option, value] of reader.names(values?.get('options')) ?? []) options[option] = reader.plain(value)
    const concurrency = reader.number(values?.get('concurrency'), { min: 1, max: 10_000, integer: true })
    classes.set(name, { place: tree, settings: { ...defined({ concurrency }), options } })
  }
  return classes
}

function section(
  top: ReadonlyMap<string, Tree>,
  name: string,
  reader: Reader,
  rules: Parameters<Reader['section']>[1],
): ReadonlyMap<string, Tree> {
  return reader.section(top.get(name), rules) ?? new Map()
}

function toMs(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.ceil(value * 1000)
}

/** The object without its undefined values. */
function defined<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>
  }
}
