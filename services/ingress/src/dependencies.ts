import type { InferqConfig } from '@inferq/config'
import type { FileStore } from '@inferq/files'
import type { DeploymentHealth } from '@inferq/health'
import type { LiveConfig } from '@inferq/liveconfig'
import type { CancelBroadcast, JobQueue, WorkerRegistry } from '@inferq/queue'
import type { Router } from '@inferq/routing'
import type { Clock, ServiceCheck } from '@inferq/runtime'
import type { Shares } from '@inferq/shares'
import type { BatchTable, BatchWork, FileTable, Store } from '@inferq/store'
import type { InferqMetrics, Logger, Metrics } from '@inferq/telemetry'
import type { LogFollower, TokenLog } from '@inferq/tokenlog'
import type { WebhookSecrets } from '@inferq/webhooks'
import type { Background } from './background.ts'
import type { BatchDesk } from './batches/batch-desk.ts'
import type { BeatWheel } from './beat-wheel.ts'
import type { ClassPace } from './class-pace.ts'
import type { DeploymentChecks } from './deployment-checks.ts'
import type { EventReader } from './event-reader.ts'
import type { EventTokens } from './event-tokens.ts'
import type { Exchange } from './exchange.ts'
import type { Authenticator } from './identity.ts'
import type { ModelRegistry } from './models/model-registry.ts'
import type { IngressOptions } from './options.ts'
import type { OutcomeRoom } from './outcome-room.ts'
import type { PositionComments } from './position-comments.ts'
import type { QueueRoom } from './queue-room.ts'

/** What an ingress needs of the record of truth. */
export type IngressStore = Pick<
  Store,
  | 'insertAccepted'
  | 'markEnqueued'
  | 'getJob'
  | 'listJobs'
  | 'endedSpec'
  | 'claimLost'
  | 'jobDeliveries'
  | 'listDeliveries'
  | 'replayDelivery'
  | 'insertResponse'
  | 'getResponse'
  | 'responseChain'
  | 'deleteResponse'
  | 'claimIdempotencyKey'
  | 'reclaimIdempotencyKey'
  | 'releaseIdempotencyKey'
> &
  FileTable &
  BatchTable &
  BatchWork

/** One that is not `needed` and fails makes an ingress degraded, not unready: it goes on with what does not need that part. */
export interface ReadinessCheck extends ServiceCheck {
  readonly needed: boolean
}

/** What an ingress is made of; composed in compose.ts, and by tests. */
export interface IngressParts {
  /** The configuration in force now. */
  config(): InferqConfig
  readonly live: LiveConfig
  /** The models added at run time. */
  readonly models: ModelRegistry
  readonly tokenLog: TokenLog
  readonly follower: LogFollower
  /** On the connection of `tokenLog`: a job's record has to reach Redis before its place in the queue. */
  readonly queue: JobQueue
  /** How long a job of a class takes. */
  readonly shares: Pick<Shares, 'meanSeconds'>
  readonly cancellations: CancelBroadcast
  readonly workers: Pick<WorkerRegistry, 'list' | 'find' | 'orderDrain' | 'cancelDrain'>
  /** Of signed URLs. */
  readonly eventTokens: EventTokens
  /** What is known of the deployments; the ingress calls none of them. */
  readonly health: DeploymentHealth
  readonly store: IngressStore
  /** Bytes of files; the store knows of them. */
  readonly files: FileStore
  /** What signs the webhooks of the callers. */
  readonly webhookSecrets: WebhookSecrets
  readonly authenticator: Authenticator
  /** Whether there is room for the outcomes of more jobs. */
  readonly outcomeRoom: OutcomeRoom
  /** What readiness asks, by name. */
  readonly checks: readonly ReadinessCheck[]
  readonly log: Logger
  /** The registry behind /metrics, and inferq's metrics on it. */
  readonly registry: Metrics
  readonly metrics: InferqMetrics
  readonly clock: Clock
}

/** The parts, and what one running ingress holds beside them. */
export interface IngressCore extends IngressParts {
  readonly options: IngressOptions
  /** The rules of the configuration in force now. */
  router(): Router
  readonly deploymentChecks: DeploymentChecks
  readonly background: Background
  /** How fast the jobs of a class go. */
  readonly pace: ClassPace
  /** Whether a class takes more jobs. */
  readonly queueRoom: QueueRoom
  readonly batchDesk: BatchDesk
  /** Beats every `beatMs` for all who stream to a client. */
  readonly beats: BeatWheel
  readonly positions: PositionComments
  /** Clients that wait on their connection for an interactive job. */
  readonly exchanges: Set<Exchange>
  /** Readers of job events. */
  readonly readers: Set<EventReader>
  /** Ends each `Prefer: wait` that goes on. */
  readonly waits: Set<() => void>
  /** It is not ready any more, and connections are not kept: whoever can go elsewhere shall. */
  stopping: boolean
  /** The listener is closed: what others can do as well is not begun here any more. */
  closing: boolean
  /** When somebody last asked whether it is ready, on the monotonic clock. */
  readinessAskedAt: number | undefined
}
