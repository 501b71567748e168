import { hostname } from 'node:os'
import type { LiveConfig } from '@inferq/liveconfig'
import type { WorkerRegistration, WorkerRegistry } from '@inferq/queue'
import { type Clock, createPeriodicService, type Log, type Service } from '@inferq/runtime'
import type { InferqMetrics } from '@inferq/telemetry'
import type { ConsumerState, Consumers } from './consumers.ts'
import type { Gate } from './gate/create-gate.ts'
import type { StickyModels } from './sticky/sticky-models.ts'

export interface HeartbeatOptions {
  readonly workerId: string
  readonly gpu: string | null
  readonly live: Pick<LiveConfig, 'current'>
  readonly registry: Pick<WorkerRegistry, 'beat'>
  readonly consumers: Pick<Consumers, 'state'>
  readonly gate: Pick<Gate, 'view'>
  readonly sticky: Pick<StickyModels, 'view'>
  state(): WorkerRegistration['state']
  readonly everyMs: number
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Pick<InferqMetrics, 'workerInFlight' | 'workerLimit'>
}

/** A worker that has not beaten for this long is taken off the list. */
const lifetimeMs = 10_000

/** Tells the other processes, and the metrics, again and again what this worker is and how busy it is. */
export function createHeartbeat(options: HeartbeatOptions): Service {
  const { workerId, gpu, live, registry, consumers, gate, sticky, state, everyMs, clock, log, metrics } = options
  const startedAt = clock.now()

  const measure = (classes: readonly ConsumerState[]): void => {
    for (const { class: name, inFlight, limit } of classes) {
      const labels = { model_class: name }
      metrics.workerInFlight.with(labels).set(inFlight)
      metrics.workerLimit.with(labels).set(limit)
    }
  }

  const registrationOf = (classes: readonly ConsumerState[]): WorkerRegistration => ({
    id: workerId,
    host: hostname(),
    pid: process.pid,
    gpu,
    classes: classes.map((entry) => entry.class),
    limit: classes.reduce((sum, entry) => sum + entry.limit, 0),
    inFlight: classes.reduce((sum, entry) => sum + entry.inFlight, 0),
    startedAt,
    lastBeatAt: clock.now(),
    state: state(),
    fingerprint: live.current().fingerprint,
    lanes: classes.map((entry) => ({ ...entry, ...gate.view(entry.class), ...sticky.view(entry.class) })),
  })

  return createPeriodicService({
    ...{ name: 'heartbeat', intervalMs: everyMs, clock, log },
    async run() {
      const classes = consumers.state()
      measure(classes)
      await registry.beat(registrationOf(classes), lifetimeMs)
    },
  })
}
