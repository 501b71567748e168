export { decideAfterFailure, type FailureDecision, type FailureFacts } from './after-failure.ts'
export { chooseDeployment } from './choose-deployment.ts'
export { createRoutes, type Route, type Routes } from './routes.ts'
