export { createTokenLog, startedHere, type TokenLogOptions } from './create-token-log.ts'
export { createLogFollower, type LogFollowerOptions } from './log-follower.ts'
export type {
  BeginResult,
  EndResult,
  Following,
  FollowOptions,
  LogFollower,
  LogWriter,
  Release,
  TokenLog,
} from './token-log.ts'
