export { type ComposeControllerOptions, composeController } from './compose.ts'
