export { type ComposedWorker, type ComposeWorkerOptions, composeWorker } from './compose.ts'
export type { WorkerActivity } from './worker.ts'
