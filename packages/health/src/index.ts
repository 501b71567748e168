export { createDeploymentHealth, type DeploymentHealthOptions, type HealthTiming } from './create-deployment-health.ts'
export type { Admission, CallReport, DeploymentHealth } from './port.ts'
