export type { BatchRun, LineRequest, PendingLine } from './batch-run.ts'
export type { BatchLease, BatchStage, BatchWork, EndedLine, NewBatchLine } from './batch-work.ts'
export type { BatchCaller, BatchTable, NewBatch, StoredBatch } from './batches.ts'
export type { FileTable, StoredFile } from './files.ts'
export type { ClaimResult, IdempotencyClaim, KeyHold } from './idempotency.ts'
export type { NewModel, StoredModel, StoredModels } from './models.ts'
export type { ResponseChain, ResponseStore, ResponseTurn, StoredResponse } from './responses.ts'
export {
  type CommitReport,
  createStore,
  type JobListQuery,
  type JobLookup,
  type JobPage,
  type LostJob,
  type RejectedOutcome,
  type Store,
  type StoreOptions,
} from './store.ts'
export type { StoredJob } from './stored-job.ts'
export type {
  ClaimDeliveries,
  DeliveryListQuery,
  DeliveryPage,
  WebhookDeliveryStore,
} from './webhook-deliveries.ts'
export type { AttemptOutcome, WebhookAttempt, WebhookDelivery } from './webhook-delivery.ts'
export type { NewWebhookSecretRow, StoredWebhookSecret, WebhookSecretStore } from './webhook-secrets.ts'
