import type { ProxyTarget } from '@inferq/testkit/tcp-proxy'
import type { PostgresUnderFire } from './system.ts'

/** A database server on data of its own, as it comes and goes. PostgreSQL and PGlite each have one. */
export interface Database {
  readonly kind: PostgresUnderFire['kind']
  /** Past all proxies. */
  readonly url: string
  readonly target: ProxyTarget
  /** Resolves when it answers; nothing when it runs. */
  start(): Promise<void>
  /** Resolves when it is gone. SIGINT: it ends connections and closes its data. */
  stop(signal: 'SIGINT' | 'SIGKILL'): Promise<void>
  /** To all its processes. */
  send(signal: 'SIGSTOP' | 'SIGCONT'): void
  /** Restarts it so that it refuses all writes, to sessions that do not ask for them by name. */
  restartReadOnly(): Promise<void>
  /** It takes writes again, on open connections too. */
  allowWrites(): Promise<void>
}
