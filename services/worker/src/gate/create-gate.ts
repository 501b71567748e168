import type { InferqConfig } from '@inferq/config'
import type { ErrorDetail } from '@inferq/contracts'
import type { JobQueue } from '@inferq/queue'
import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'
import type { InferqMetrics } from '@inferq/telemetry'
import type { AttemptReport } from '../attempt-report.ts'
import type { ConsumerState, Consumers } from '../consumers.ts'
import type { Upstreams } from '../upstreams.ts'
import { type ClassLoad, createLook, tellsLoad } from './class-loads.ts'
import { decideLimit, type GateReason, type GateState, type Load } from './decide-limit.ts'
import { type GateJob, Lane } from './lane.ts'
import { createParking, type Parking } from './parking.ts'

/** Holds each class at as many jobs at once as its backends can take, below what is configured. */
export interface Gate {
  readonly service: Service
  readonly parking: Parking
  /** Before these classes get consumers. */
  adopt(config: InferqConfig): void
  /** A job is under way. The result is to be called when it is no more. */
  enter(modelClass: string, job: GateJob): () => void
  /** A backend had no room for a job, and has produced nothing of it. */
  rejected(modelClass: string, error: ErrorDetail): void
  readonly report: AttemptReport
  /** Why the class is below what is configured (null: it is not), and what was last read of its backends. */
  view(modelClass: string): GateClassView
}

export interface GateClassView {
  readonly held: GateReason | null
  readonly load: ClassLoad | null
  /** Jobs at once that it comes to under load, as far as is known. */
  readonly slots: number
}

export interface GateOptions {
  config(): InferqConfig
  readonly consumers: Pick<Consumers, 'cap' | 'state'>
  readonly upstreams: Upstreams
  readonly queue: Pick<JobQueue, 'depth'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<InferqMetrics, 'gateChanges' | 'backendMetricsUnreadable'>
  /** Between two looks. Default 1 s. */
  readonly everyMs?: number
}

const readTimeoutMs = 2_000
/** A limit that was left or lowered for one of these is what the backend can take. */
const ofLoad: ReadonlySet<GateReason> = new Set(['tokens', 'kv_full', 'backend_queue', 'preempted', 'rejected'])
const nobody: Load = { waiting: 0, running: 0, kvUsage: 0 }

export function createGate(options: GateOptions): Gate {
  const { consumers, upstreams, queue, clock, log, metrics, everyMs = 1_000 } = options
  const lanes = new Map<string, Lane>()
  const parking = createParking(clock)

  const laneOf = (modelClass: string): Lane => {
    const lane = lanes.get(modelClass) ?? newLane(options.config(), modelClass)
    lanes.set(modelClass, lane)
    return lane
  }

  /** A backend without news of its load, that was never too full, follows the configuration by itself. */
  const apply = (modelClass: string, { tellsLoad, state }: Lane, configured: number): void =>
    consumers.cap(modelClass, !tellsLoad && state.limit >= configured ? null : state.limit, 'gate')

  const look = async (entry: ConsumerState, read: ReturnType<typeof createLook>): Promise<void> => {
    const { class: modelClass, configured } = entry
    const lane = laneOf(modelClass)
    const { rejections, ended } = lane
    lane.rejections = 0
    lane.ended = 0
    const inFlight = Math.max(0, entry.inFlight - parking.parked(modelClass))
    const isUsed = inFlight + rejections + ended > 0
    const loadNow = isUsed && lane.tellsLoad ? await read(modelClass) : undefined
    const before = lane.state
    const mayGrow = before.limit < configured && inFlight >= before.limit / 2
    lane.state = decideLimit(before, {
      ...{ nowMs: clock.monotonic(), configured, inFlight, rejections, ended },
      hasBacklog: mayGrow && (await hasBacklog(modelClass)),
      load: loadOf(lane, isUsed, loadNow),
      preemptions: lane.newPreemptions(loadNow),
      growth: lane.growth(clock.now()),
    })
    if (ofLoad.has(lane.state.reason)) lane.heldAt = lane.state.limit
    lane.load = loadNow ?? (isUsed ? undefined : lane.load)
    tell(modelClass, before, lane.state)
    apply(modelClass, lane, configured)
  }

  const hasBacklog = async (modelClass: string): Promise<boolean> => {
    try {
      return (await queue.depth(modelClass)).waiting > 0
    } catch {
      return false
    }
  }

  const tell = (modelClass: string, before: GateState, after: GateState): void => {
    const { limit, reason, unreadable } = after
    if (limit !== before.limit) {
      metrics.gateChanges.with({ model_class: modelClass, reason }).inc()
      log.debug({ class: modelClass, from: before.limit, to: limit, reason }, 'gate-changed')
    }
    if (unreadable === 0) return
    metrics.backendMetricsUnreadable.with({ model_class: modelClass }).inc()
    if (unreadable === 1) log.warn({ class: modelClass, limit }, 'backend-metrics-unreadable')
  }

  return {
    parking,
    service: createPeriodicService({
      name: 'gate',
      intervalMs: everyMs,
      timeoutMs: 4 * readTimeoutMs,
      clock,
      log,
      async run(signal) {
        const soon = AbortSignal.any([signal, AbortSignal.timeout(readTimeoutMs)])
        const read = createLook(options.config(), upstreams, soon)
        await Promise.all(consumers.state().map((entry) => look(entry, read)))
      },
    }),
    adopt(config) {
      for (const [modelClass, { concurrency }] of Object.entries(config.classes)) {
        const known = lanes.get(modelClass)
        const isSame = known !== undefined && known.tellsLoad === tellsLoad(config, modelClass)
        const lane = isSame ? known : newLane(config, modelClass)
        lanes.set(modelClass, lane)
        apply(modelClass, lane, concurrency)
      }
    },
    enter: (modelClass, job) => laneOf(modelClass).enter(job),
    rejected(modelClass, { retryAfterSeconds }) {
      const lane = laneOf(modelClass)
      // Who says when to come back has a quota: that is for the deployment's circuit, and not about jobs at once.
      if (lane.tellsLoad || retryAfterSeconds === undefined) lane.rejections++
    },
    report({ class: modelClass, outcome, usage, startedAt, endedAt }) {
      const lane = laneOf(modelClass)
      lane.ended++
      if (outcome === 'completed') lane.completed(usage?.completionTokens ?? 0, endedAt - startedAt)
    },
    view(modelClass) {
      const lane = laneOf(modelClass)
      const { limit, reason } = lane.state
      const configured = options.config().classes[modelClass]?.concurrency ?? 1
      const isHeld = limit < configured || reason === 'metrics_unreadable'
      const slots = Math.min(configured, Math.max(limit, lane.heldAt ?? configured))
      return { held: isHeld ? reason : null, load: lane.load ?? null, slots }
    },
  }
}

function newLane(config: InferqConfig, modelClass: string): Lane {
  return new Lane(config.classes[modelClass]?.concurrency ?? 1, tellsLoad(config, modelClass))
}

function loadOf(lane: Lane, isUsed: boolean, load: ClassLoad | undefined): Load | 'none' | 'unreadable' {
  if (!lane.tellsLoad) return 'none'
  if (isUsed) return load ?? 'unreadable'
  return lane.state.everRead ? nobody : 'none'
}
