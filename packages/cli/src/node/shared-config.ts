import type { Deployment, InferqConfig } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import type { LiveConfig, Opened, Sealer } from '@inferq/liveconfig'
import {
  type Clock,
  createPeriodicService,
  createService,
  errorMessage,
  type Log,
  type Redis,
  type Service,
} from '@inferq/runtime'
import { isSelfHosted } from './pin-config.ts'

export interface SharedConfigOptions {
  readonly live: Pick<LiveConfig, 'current' | 'onChange'>
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
}

/** Only who knows the sealing key reads it: bound to this name, it opens as nothing else. */
const sealedAs = 'local configuration'
/** Redis may have lost it. */
const lookEveryMs = 30_000

/**
 * Leaves in Redis what a worker needs of this process's configuration, for machines without the file: the deployments of
 * self-hosted providers and the settings of workers. No cloud's key goes there, nor anything of the ingress's own. Sealed,
 * because a backend in the house may have a key too.
 */
export function createConfigSharing(options: SharedConfigOptions): Service {
  const { live, redis, keys, sealer, clock, log } = options
  const key = keys.localConfig()
  let forget: (() => void) | undefined

  let complaint: string | undefined

  /** Ingresses may have files of different age for a while: the last to change speaks, and nobody writes over it later. */
  const write = async (onlyIfLost: boolean): Promise<void> => {
    const before = await redis.get(key)
    if (onlyIfLost && before !== null) return
    const config = localPart(live.current())
    if (before !== null && isSame(before, config, sealer)) return
    const sealed = sealer.seal(sealedAs, { config })
    await redis.set(key, JSON.stringify({ format: 1, sealed }))
    // Who heard of the change before this was written has read the old one.
    await redis.publish(keys.configChanges(), sealedAs)
  }
  const tryWrite = async (onlyIfLost = false): Promise<void> => {
    try {
      await sealer.prepare()
      await write(onlyIfLost)
      complaint = undefined
    } catch (thrown) {
      const error = errorMessage(thrown)
      if (error !== complaint) log.warn({ error }, 'config-not-shared')
      complaint = error
    }
  }
  const again = createPeriodicService({
    name: 'config-sharing',
    intervalMs: lookEveryMs,
    clock,
    log,
    run: () => tryWrite(true),
  })
  let writing = Promise.resolve()

  return createService({
    name: 'config-sharing',
    async start() {
      await tryWrite()
      forget = live.onChange(() => {
        writing = writing.then(() => tryWrite())
      })
      await again.start()
    },
    async stop(deadline) {
      forget?.()
      await writing
      await again.stop(deadline)
    },
  })
}

/** What an ingress has left. Throws when there is nothing, or it is sealed with another key. */
export async function readSharedConfig({
  redis,
  keys,
  sealer,
}: Pick<SharedConfigOptions, 'redis' | 'keys' | 'sealer'>): Promise<InferqConfig> {
  const text = await redis.get(keys.localConfig())
  if (text === null) throw new Error('no ingress has left a configuration in Redis')
  const opened = openShared(text, sealer)
  if (opened.kind === 'refused') throw new Error(`the configuration in Redis is ${opened.reason}`)
  return opened.params['config'] as InferqConfig
}

function isSame(text: string, config: InferqConfig, sealer: Sealer): boolean {
  const opened = openShared(text, sealer)
  return opened.kind === 'opened' && (opened.params['config'] as InferqConfig).fingerprint === config.fingerprint
}

function openShared(text: string, sealer: Sealer): Opened {
  try {
    const { format, sealed } = JSON.parse(text) as Record<string, unknown>
    if (format === 1 && typeof sealed === 'string') return sealer.open(sealedAs, sealed)
  } catch {
    // As below.
  }
  return { kind: 'refused', reason: 'of another version of inferq' }
}

function localPart(config: InferqConfig): InferqConfig {
  const local = (deployments: readonly Deployment[]): Deployment[] => deployments.filter(isSelfHosted)
  const { masterKey: _masterKey, databaseUrl: _databaseUrl, ...rest } = config
  const deployments = local(config.deployments)
  const classes = new Set(deployments.map((deployment) => deployment.class))
  return {
    ...rest,
    deployments,
    models: config.models
      .map((model) => ({ ...model, deployments: local(model.deployments) }))
      .filter((model) => model.deployments.length > 0),
    classes: Object.fromEntries(Object.entries(config.classes).filter(([name]) => classes.has(name))),
    // Where a job goes was decided when it was accepted, and stands in it.
    routing: { ...config.routing, rules: [], aliases: {}, fallbacks: noFallbacks },
    files: { ...config.files, storage: { kind: 'local' } },
    overlayFaults: [],
    unused: [],
  }
}

const noFallbacks: InferqConfig['routing']['fallbacks'] = {
  any: {},
  contextWindow: {},
  contentPolicy: {},
  otherwise: [],
}
