export { type CancelListenerOptions, createCancelListener } from './cancel-listener.ts'
export { createJobConsumer, type JobConsumerOptions } from './create-job-consumer.ts'
export { createCancelBroadcast, createJobQueue, type JobQueueOptions } from './create-job-queue.ts'
export {
  type CancelBroadcast,
  type ConsumeOptions,
  type JobConsumer,
  type JobQueue,
  type JobReference,
  LostLockError,
  type ProcessResult,
  type QueueDepth,
  type RemoveResult,
  type WorkerRegistration,
} from './job-queue.ts'
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
export { createWorkerRegistry, type WorkerRegistry } from './worker-registry.ts'
