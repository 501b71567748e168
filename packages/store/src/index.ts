export type { NewModel, StoredModel, StoredModels } from './models.ts'
export {
  type CommitReport,
  createStore,
  type JobListQuery,
  type JobLookup,
  type JobPage,
  type RejectedOutcome,
  type Store,
  type StoreOptions,
} from './store.ts'
export type { StoredJob } from './stored-job.ts'
