import { type Deployment, formatFault } from '@inferq/config'
import type { RedisKeys } from '@inferq/contracts'
import { InferqError, type NewModelRequest, type PatchModelRequest } from '@inferq/contracts'
import {
  createModelOverlay,
  type LiveConfig,
  type OverlayModel,
  openOverlay,
  type ReloadResult,
  type Sealer,
} from '@inferq/liveconfig'
import { type Clock, createId, createPeriodicService, type Log, type Redis, type Service } from '@inferq/runtime'
import type { Store, StoredModel } from '@inferq/store'
import { mergeModel, plainInfo } from './merge-model.ts'

/**
 * The models added at run time. Postgres is the truth; Redis has a copy that every process reads. A Service: started, it
 * sees to it that the copy is right, at once and every minute.
 */
export interface ModelRegistry extends Service {
  /** Throws config_invalid (naming the field) when it could not serve; then nothing is kept. */
  add(request: NewModelRequest, createdBy: string): Promise<RegisteredModel>
  /** As `add`. Throws model_not_found, and config_invalid for a model of the configuration file. */
  update(id: string, patch: PatchModelRequest): Promise<RegisteredModel>
  /** As `update`; also throws config_invalid when the rest of the configuration needs it. */
  remove(id: string): Promise<void>
  /** Writes the copy in Redis anew where it is not what Postgres has. Whether it was written. */
  publish(): Promise<boolean>
}

/** As it is kept; the parameters in the clear. */
export interface RegisteredModel extends OverlayModel {
  readonly createdBy: string
  readonly createdAt: number
  readonly updatedAt: number
}

export interface ModelRegistryOptions {
  readonly store: Pick<Store, 'insertModel' | 'updateModel' | 'deleteModel' | 'listModels'>
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly live: LiveConfig
  readonly sealer: Sealer
  readonly clock: Clock
  readonly log: Log
  /** Default a minute. */
  readonly publishEveryMs?: number
}

/** Two ingresses that write at once see each other's version in Redis, and look again. */
const publishTries = 10

export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const { store, live, sealer, clock, log, publishEveryMs = 60_000 } = options
  const overlay = createModelOverlay(options)

  const publish = async (): Promise<boolean> => {
    for (let tries = 0; tries < publishTries; tries++) {
      // Redis first: Postgres is then at least as new, and another version in Redis is an older or a foreign one.
      const published = await overlay.version()
      const { version, models } = await store.listModels()
      if (version === (published ?? 0)) return false
      if (await overlay.replace(published, { version, models })) {
        log.info({ version, models: models.length, before: published }, 'model-overlay-published')
        return true
      }
    }
    throw new InferqError({ code: 'service_unavailable', message: 'Others keep changing the models.' })
  }

  const readAll = async (): Promise<{
    readonly rows: readonly StoredModel[]
    readonly models: readonly OverlayModel[]
  }> => {
    const stored = await store.listModels()
    return { rows: stored.models, models: openOverlay(stored, sealer).models }
  }

  /** Throws config_invalid unless the configuration loads with these models, and with the one that is meant. */
  const check = async (models: readonly OverlayModel[], meant?: OverlayModel): Promise<void> => {
    const checked = await live.check(models)
    if (checked.kind === 'unavailable') throw unloadable(checked.message)
    if (checked.kind === 'invalid') throw invalid(checked.faults.map(formatFault))
    const { deployments, overlayFaults } = checked.config
    if (meant === undefined || deployments.some(({ id }) => id === meant.id)) return
    const own = overlayFaults.filter(({ key }) => key.includes(meant.id))
    const param = own[0]?.key.match(/(litellm_params|model_info|model_name).*$/)?.[0]
    throw invalid((own.length > 0 ? own : overlayFaults).map(formatFault), param)
  }

  /** After a change of Postgres: Redis, this process, the others. */
  const spread = async (id: string): Promise<void> => {
    let result: ReloadResult
    try {
      await publish()
      result = await live.reload({ tell: true })
    } catch (thrown) {
      const message = `The change of the model '${id}' is kept, and takes effect when Redis answers again.`
      throw new InferqError({ code: 'service_unavailable', message, retryAfterSeconds: 1 }, { cause: thrown })
    }
    if (result.kind === 'loaded') return
    const reason = result.kind === 'invalid' ? result.faults.map(formatFault).join('\n') : result.message
    throw unloadable(`The change of the model '${id}' is kept, but the configuration does not load: ${reason}`)
  }

  const periodic = createPeriodicService({
    name: 'model-registry',
    intervalMs: publishEveryMs,
    log,
    clock,
    async run() {
      if (await publish()) await live.reload({ tell: true })
    },
  })

  return {
    ...periodic,
    publish,

    async add(request, createdBy) {
      const id = request.model_info?.id ?? createId('model')
      const { rows, models } = await readAll()
      if (rows.some((row) => row.id === id) || deploymentOf(live, id) !== undefined) throw taken(id)
      const model: OverlayModel = {
        id,
        modelName: request.model_name,
        litellmParams: request.litellm_params,
        modelInfo: plainInfo(request.model_info ?? {}),
      }
      await check([...models, model], model)
      const { litellmParams, ...rest } = model
      const row = { ...rest, sealedParams: sealer.seal(id, litellmParams), createdBy }
      if (!(await store.insertModel(row))) throw taken(id)
      await spread(id)
      const now = clock.now()
      return { ...model, createdBy, createdAt: now, updatedAt: now }
    },

    async update(id, patch) {
      const { rows, models } = await readAll()
      const row = rows.find((one) => one.id === id)
      if (row === undefined) throw absent(live, id)
      const opened = models.find((one) => one.id === id)
      const model = mergeModel(
        opened ?? { id, modelName: row.modelName, litellmParams: {}, modelInfo: row.modelInfo },
        patch,
      )
      await check([...models.filter((one) => one.id !== id), model], model)
      const { litellmParams, ...rest } = model
      if (!(await store.updateModel({ ...rest, sealedParams: sealer.seal(id, litellmParams) }))) throw absent(live, id)
      await spread(id)
      return { ...model, createdBy: row.createdBy, createdAt: row.createdAt, updatedAt: clock.now() }
    },

    async remove(id) {
      const { rows, models } = await readAll()
      if (!rows.some((row) => row.id === id)) throw absent(live, id)
      await check(models.filter((model) => model.id !== id))
      // Gone already: somebody else deleted it meanwhile, which is what was wanted.
      await store.deleteModel(id)
      await spread(id)
    },
  }
}

function deploymentOf(live: LiveConfig, id: string): Deployment | undefined {
  return live.current().deployments.find((deployment) => deployment.id === id)
}

function taken(id: string): InferqError {
  const message = `There is a model with the id '${id}' already.`
  return new InferqError({ code: 'config_invalid', message, param: 'model_info.id' })
}

function absent(live: LiveConfig, id: string): InferqError {
  const deployment = deploymentOf(live, id)
  if (deployment === undefined || deployment.source === 'database') {
    return new InferqError({ code: 'model_not_found', message: `There is no model with the id '${id}'.`, param: 'id' })
  }
  const where =
    deployment.source === 'file' ? 'is in the configuration file: change it there' : 'was found at the start'
  const message = `The model '${id}' ${where}; only models added with POST /model/new are changed here.`
  return new InferqError({ code: 'config_invalid', message, param: 'id' })
}

function invalid(faults: readonly string[], param?: string): InferqError {
  const message = faults.join('\n')
  return new InferqError({ code: 'config_invalid', message, ...(param === undefined ? {} : { param }) })
}

function unloadable(message: string): InferqError {
  return new InferqError({ code: 'service_unavailable', message })
}
