import type { Fault } from '@inferq/config'
import { InferqError, type RedisKeys } from '@inferq/contracts'
import { defineScript } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import type { OverlayModel } from './port.ts'
import type { Sealer } from './sealer.ts'

/** A model as Postgres and Redis keep it. */
export interface SealedModel {
  readonly id: string
  readonly modelName: string
  readonly sealedParams: string
  readonly modelInfo: Readonly<Record<string, unknown>>
}

export interface SealedOverlay {
  /** Of the record of truth; another number means another content. */
  readonly version: number
  readonly models: readonly SealedModel[]
}

/**
 * The models added at run time, as every process finds them in Redis. Postgres is the truth, and whoever reaches it (the
 * ingresses) keeps this copy of it right. Every method throws `service_unavailable` when Redis does not answer.
 */
export interface ModelOverlay {
  /** Null: nobody has written it, or Redis has lost it. Cheap. */
  version(): Promise<number | null>
  /** As above; what cannot be read counts as lost. */
  read(): Promise<SealedOverlay | null>
  /** Writes it if the version there is still `expected`. Whether it did. */
  replace(expected: number | null, overlay: SealedOverlay): Promise<boolean>
}

/** The JSON begins with the version, so that it can be told from a few bytes. */
const headBytes = 40
const replaceLua = `
-- Replaces the overlay of one version by another.
-- KEYS[1] the overlay; ARGV[1] the version it has to have, empty for none; ARGV[2] the new JSON
local head = redis.call('GETRANGE', KEYS[1], 0, ${headBytes - 1})
local version = string.match(head, '^{"version":(%d+),') or ''
if version ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
`

export function createModelOverlay({ redis, keys }: { readonly redis: Redis; readonly keys: RedisKeys }): ModelOverlay {
  const key = keys.modelOverlay()
  const replace = defineScript(redis, { name: 'inferqReplaceOverlay', lua: replaceLua, numberOfKeys: 1 })
  return {
    async version() {
      const head = await redis.getrange(key, 0, headBytes - 1).catch(toUnavailable)
      const digits = /^\{"version":(\d+),/.exec(head)?.[1]
      return digits === undefined ? null : Number(digits)
    },
    async read() {
      const text = await redis.get(key).catch(toUnavailable)
      return text === null ? null : parseOverlay(text)
    },
    async replace(expected, { version, models }) {
      const json = JSON.stringify({ version, models: models.map(toPlain) })
      const written = await replace(key, expected === null ? '' : expected, json).catch(toUnavailable)
      return written === 1
    },
  }
}

/** The models that open, and a fault for each that does not. */
export function openOverlay(
  overlay: SealedOverlay,
  sealer: Sealer,
): { readonly models: readonly OverlayModel[]; readonly faults: readonly Fault[] } {
  const models: OverlayModel[] = []
  const faults: Fault[] = []
  for (const { id, modelName, sealedParams, modelInfo } of overlay.models) {
    const opened = sealer.open(id, sealedParams)
    if (opened.kind === 'opened') models.push({ id, modelName, litellmParams: opened.params, modelInfo })
    else faults.push(sealedFault(id, opened.reason))
  }
  return { models, faults }
}

function sealedFault(id: string, reason: string): Fault {
  return {
    file: 'database',
    line: 0,
    key: `${id}.litellm_params`,
    found: `parameters that are ${reason}`,
    expected: 'those that INFERQ_SALT_KEY, or else the master key, opens',
    hint: 'set the key it was added with, or delete the model and add it again',
  }
}

/** Only what is known: a stored row says more. */
function toPlain({ id, modelName, sealedParams, modelInfo }: SealedModel): SealedModel {
  return { id, modelName, sealedParams, modelInfo }
}

function parseOverlay(text: string): SealedOverlay | null {
  try {
    const value: unknown = JSON.parse(text)
    if (!isRecord(value) || !Number.isSafeInteger(value['version']) || !Array.isArray(value['models'])) return null
    if (!value['models'].every(isSealedModel)) return null
    return { version: Number(value['version']), models: value['models'] }
  } catch {
    return null
  }
}

function isSealedModel(value: unknown): value is SealedModel {
  if (!isRecord(value) || !isRecord(value['modelInfo'])) return false
  return [value['id'], value['modelName'], value['sealedParams']].every((part) => typeof part === 'string')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toUnavailable(cause: unknown): never {
  const message = 'Redis does not answer.'
  throw new InferqError({ code: 'service_unavailable', message, retryAfterSeconds: 1 }, { cause })
}
