export { type ComposeWorkerOptions, composeWorker } from './compose.ts'
