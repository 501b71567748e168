export type { Redis } from 'ioredis'
export { type Backoff, backoffMs } from './backoff.ts'
export { type Child, type ChildExit, spawnChild } from './child-process.ts'
export { type Clock, createSystemClock } from './clock.ts'
export {
  createDeadline,
  type Deadline,
  DeadlineError,
  orAborted,
  type RunningDeadline,
  withDeadline,
} from './deadline.ts'
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres/embedded-postgres.ts'
export { type EmbeddedRedis, type EmbeddedRedisOptions, startEmbeddedRedis } from './embedded-redis/embedded-redis.ts'
export { findRedisServer, type RedisServer } from './embedded-redis/find-server.ts'
export { type Environment, type EnvironmentFault, readEnvironment } from './environment.ts'
export {
  choiceVariable,
  describeFault,
  EnvironmentError,
  type Field,
  flagVariable,
  integerVariable,
  type ParsedEnvironment,
  parseEnvironment,
  type Schema,
  textVariable,
  urlVariable,
  type Values,
} from './environment-schema.ts'
export { errorMessage, RuntimeError, type RuntimeErrorCode } from './errors.ts'
export { createId, createIdFactory } from './ids.ts'
export { createSilentLog, type Log } from './log.ts'
export { createManualClock, type ManualClock } from './manual-clock.ts'
export {
  launchNodeChild,
  type NodeChildOptions,
  reportReady,
  reportStartFailure,
  spawnNodeChild,
} from './node-child.ts'
export { createPeriodicService, type PeriodicOptions } from './periodic-service.ts'
export {
  type CreateRedisOptions,
  closeRedis,
  createRedis,
  type RedisRole,
  whenRedisReady,
} from './redis/create-redis.ts'
export { defineScript, type RedisScript, type ScriptArgument, type ScriptDefinition } from './redis/define-script.ts'
export { type ProbeResult, probeRedis } from './redis/probe.ts'
export {
  createRedisServiceCheck,
  inspectRedis,
  type RedisWarning,
  type ServiceCheck,
  type ServiceCheckResult,
} from './redis/redis-health.ts'
export { parseRedisUrl, type RedisAddress } from './redis/redis-url.ts'
export { type RunOptions, runUntilSignal } from './run-until-signal.ts'
export { createService, type Service, type ServiceParts } from './service.ts'
export { createServiceGroup, type ServiceGroup, type ServiceGroupOptions } from './service-group.ts'
export { type ChildState, createSupervisor, type Supervisor, type SupervisorOptions } from './supervisor.ts'
