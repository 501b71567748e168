export { type CancelListenerOptions, createCancelListener } from './cancel-listener.ts'
export { createJobConsumer, type JobConsumerOptions } from './create-job-consumer.ts'
export { createCancelBroadcast, createJobQueue, type JobQueueOptions } from './create-job-queue.ts'
export type { DirectStarts } from './direct/consumer-lane.ts'
export { createStarts } from './direct/starts.ts'
export { createHandover, type Handover, type HandoverOptions } from './handover.ts'
export {
  type CancelBroadcast,
  type ConsumeOptions,
  type Delivery,
  type JobConsumer,
  type JobQueue,
  type JobReference,
  LostLockError,
  type Placing,
  type ProcessResult,
  type QueueDepth,
  type RemoveResult,
  referenceTo,
  shareOf,
  type WorkerLane,
  type WorkerRegistration,
} from './job-queue.ts'
export type { JobHandover } from './offers.ts'
export {
  createOutcomeConsumer,
  type OutcomeConsumerOptions,
  type RefusedOutcome,
} from './outcomes/create-outcome-consumer.ts'
export {
  areOutcomesRecorded,
  inspectOutcomes,
  lastOutcome,
  type OutcomeBacklog,
  type OutcomeWeight,
  weighOutcomes,
} from './outcomes/stream-info.ts'
export { prefixLeft, prefixSought } from './prefix.ts'
export { createWorkerRegistry, type WorkerRegistry } from './worker-registry.ts'
export { meanSlots, totalSlots } from './worker-slots.ts'
