import type { InferqConfig } from '@inferq/config'
import { createServiceGroup, createSystemClock, type Log, reportReady, type Service } from '@inferq/runtime'
import { createMetrics } from '@inferq/telemetry'
import { type ComposeWorkerOptions, composeWorker } from '@inferq/worker'
import { composeLive } from '../compose-live.ts'
import { type CommandContext, createServiceLogger } from '../context.ts'
import { CommandError, exitCodes } from '../exit-codes.ts'
import { createLateService } from '../late-service.ts'
import { loadConfigAtStart } from '../load-config.ts'
import { createMetricsServer, joinPages } from '../metrics-server.ts'
import { type ConfigWithModels, loadConfigWithModels } from '../models.ts'
import { checkWorkerId } from '../node/check-worker-id.ts'
import { type BackendPlan, composeBoundWorker, planBackend } from '../node/compose-bound-worker.ts'
import { createCurrentWorker } from '../node/current-worker.ts'
import { createDeletionCost, findPod } from '../node/deletion-cost.ts'
import { findGpus, type PinnedGpu, pinGpus } from '../node/gpus.ts'
import { pinConfig, pinnedClasses } from '../node/pin-config.ts'
import { createWorkerRoutes } from '../node/worker-port.ts'
import { runServices } from '../run-services.ts'
import { readSettings, requireRedisUrl, type Variables } from '../settings.ts'

export interface WorkerOptions {
  readonly config?: string
  readonly classes?: readonly string[]
  /** Index or UUID; several, separated by commas, for a model that is spread over them. */
  readonly gpu?: string
  /** The backend beside it: its classes are called there, wherever their deployments are. */
  readonly backend?: string
  /** Starts that backend; `{port}` and `{gpu}` in it are filled in. */
  readonly backendCommand?: string
  /** Of the backend that is started. Default: a free one. */
  readonly backendPort?: number
  /** Seconds until the backend has to answer for the first time. */
  readonly backendTimeout: number
  /** Under which others see it. */
  readonly id?: string
  /** Seconds that running jobs get at a stop; over the configuration's. */
  readonly drain?: number
}

/** On top of the drain time: for closing connections, and for the backend to end after that. */
const closeMs = 10_000
const backendStopMs = 20_000

/** A worker until it is told to stop: it then lets its jobs end, or puts them back without counting an attempt. */
export async function runWorker(options: WorkerOptions, context: CommandContext): Promise<number> {
  const { variables, isTerminal } = context
  const settings = readSettings(variables)
  const redisUrl = requireRedisUrl(settings)
  const configFile = options.config ?? settings.configFile
  const log = createServiceLogger('worker', settings)
  const gpu = options.gpu === undefined ? undefined : await pinGpu(options.gpu, context, log)
  const plan = await planBackend(options, gpu)
  const loaded =
    plan === undefined ? await loadConfigWithModels(configFile, variables) : loadPinned(configFile, variables)
  const clock = createSystemClock()
  const metrics = createMetrics()
  const adjust = (config: InferqConfig): InferqConfig => adjusted(config, options.drain, plan)
  const { live } = composeLive({
    ...{ loaded, configFile, variables, detected: loaded.detected, redisUrl, settings, clock, log, registry: metrics },
    ...{ tellOnHangup: false, isTerminal, adjust, fromShared: plan !== undefined && loaded.file === undefined },
  })
  const common: Omit<ComposeWorkerOptions, 'metrics'> = {
    ...{ live, redisUrl, clock, log },
    ...(settings.namespace === undefined ? {} : { namespace: settings.namespace }),
    ...(gpu === undefined ? {} : { gpu: gpu.label }),
    ...(options.id === undefined ? {} : { workerId: options.id }),
  }
  const stopping = new AbortController()
  const current = createCurrentWorker(() => worker)
  let page = async (): Promise<string> => ''
  const make = (): Service => {
    checkClasses(options.classes, live.current(), plan)
    if (plan === undefined) {
      return current.follow(
        composeWorker({
          ...common,
          metrics,
          ...(options.classes === undefined ? {} : { classes: options.classes }),
        }),
      )
    }
    return composeBoundWorker({
      ...{ plan, live, log, clock, variables, asked: options.classes, pin: gpu?.variables ?? {} },
      patienceMs: options.backendTimeout * 1000,
      make(classes, onCallFailed) {
        // The metrics of a worker are made with it, and this one comes and goes with its backend.
        const own = createMetrics({ nodeMetrics: false })
        page = () => own.render()
        return current.follow(composeWorker({ ...common, metrics: own, classes, onCallFailed }))
      },
      onReady: () => reportReady(),
      giveUp: (error) => stopping.abort(error),
    })
  }
  // Only with the models added at run time are all classes known.
  const worker = createLateService('worker', async () => {
    if (options.id !== undefined) await checkWorkerId(options.id, { redisUrl, settings, log, clock })
    return make()
  })
  const pod = findPod(variables)
  const stopTimeoutMs =
    live.current().workers.drainSeconds * 1000 + closeMs + (plan?.command === undefined ? 0 : backendStopMs)
  const group = createServiceGroup({ log, clock, name: 'worker', stopTimeoutMs }, [
    createMetricsServer(
      settings,
      joinPages(metrics, () => page()),
      createWorkerRoutes(current, () => live.current().workers.drainSeconds),
    ),
    live,
    ...(pod === undefined ? [] : [createDeletionCost({ pod, activity: () => current.activity(), clock, log })]),
    worker,
  ])
  const onStarted = (): void => {
    if (plan === undefined) reportReady()
  }
  const code = await runServices(group, { log, context, onStarted, stopOn: stopping.signal })
  await log.flush()
  return code
}

async function pinGpu(asked: string, { variables }: CommandContext, log: Log): Promise<PinnedGpu> {
  const gpu = pinGpus(asked, await findGpus(variables))
  if (gpu.unchecked !== undefined) log.warn({ gpu: asked, reason: gpu.unchecked }, 'gpu-not-checked')
  return gpu
}

/** Beside a backend of its own nothing is looked for: without a file the configuration is what an ingress leaves in Redis. */
function loadPinned(file: string | undefined, variables: Variables): ConfigWithModels {
  return { ...loadConfigAtStart({ file, variables }), detected: [] }
}

function adjusted(config: InferqConfig, drainSeconds: number | undefined, plan: BackendPlan | undefined): InferqConfig {
  const pinned = plan === undefined ? config : pinConfig(config, plan.url)
  return drainSeconds === undefined ? pinned : { ...pinned, workers: { ...pinned.workers, drainSeconds } }
}

function checkClasses(asked: readonly string[] | undefined, config: InferqConfig, plan: BackendPlan | undefined): void {
  const all = Object.keys(config.classes)
  if (all.length === 0) {
    const message = 'there is no model to serve: no file with a model_list here, and none left in Redis by an ingress'
    throw new CommandError(exitCodes.configInvalid, message, sharedMend)
  }
  const unknown = asked?.filter((name) => !all.includes(name)) ?? []
  if (unknown.length > 0) {
    const message = `no model of the configuration has the class ${unknown.join(', ')}`
    throw new CommandError(exitCodes.configInvalid, message, `the classes are: ${all.join(', ')}`)
  }
  if (plan === undefined) return
  const local = pinnedClasses(config).map(({ name }) => name)
  const cloud = asked?.filter((name) => !local.includes(name)) ?? []
  if (cloud.length === 0 && local.length > 0) return
  const whose = cloud.length === 0 ? 'no class of the configuration' : `class ${cloud.join(', ')}, which no deployment`
  const message = `--backend cannot serve ${whose} of a self-hosted provider has`
  const mend =
    local.length === 0 ? 'write them as hosted_vllm/… or ollama/…' : `classes it can serve: ${local.join(', ')}`
  throw new CommandError(exitCodes.configInvalid, message, mend)
}

const sharedMend =
  'start the ingress first, with the same Redis and the same INFERQ_SALT_KEY (or master key), or name a file with --config'
