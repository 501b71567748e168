import type { TcpProxy } from '@inferq/testkit/tcp-proxy'

/**
 * A whole installation to be broken: every service a process, its ways to Redis and Postgres each a proxy of its own, and
 * servers that can be stopped, paused, cut off, failed over and wiped. Addresses stay the same through all of that.
 */
export interface System {
  readonly masterKey: string
  readonly ingresses: readonly Ingress[]
  readonly workers: readonly Member[]
  readonly controllers: readonly Member[]
  readonly redis: RedisUnderFire
  readonly postgres: PostgresUnderFire
  readonly upstream: UpstreamUnderFire
  /** Ends everything it started. */
  stop(): Promise<void>
}

export type MemberKind = 'ingress' | 'worker' | 'controller'

/** A service process. It stays the same member when it is started again. */
export interface Member {
  /** `worker-1` */
  readonly name: string
  readonly kind: MemberKind
  /** Its own way to Redis. */
  readonly redis: TcpProxy
  /** Its own way to Postgres; a worker has none. */
  readonly postgres: TcpProxy | null
  /** Of the process that runs, or ran last. */
  readonly pid: number
  readonly isUp: boolean
  /** The newest lines of its log (JSON), over all its starts. */
  readonly lines: readonly string[]
  /** SIGSTOP, SIGCONT: sent. SIGKILL, SIGTERM: resolves when the process is gone, SIGKILL after its drain time. */
  signal(signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  /** Starts it again where it was; resolves when it is ready. Nothing when it is up. */
  start(): Promise<void>
}

export interface Ingress extends Member {
  /** `http://127.0.0.1:<port>`, the same after a start. */
  readonly url: string
}

export interface RedisUnderFire {
  /** Of the server that is primary now, past all proxies: for the harness. */
  readonly url: string
  /** Whether there is one to fail over to. */
  readonly hasReplica: boolean
  /** SIGTERM (it writes what it has) or SIGKILL; the data stays. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  /** On the same data; resolves when it answers. */
  start(): Promise<void>
  /** SIGSTOP: connections stay, nothing is answered. */
  pause(): void
  resume(): void
  /** The replica takes over, with all that the primary had acknowledged; the proxies lead to it. */
  failOver(): Promise<void>
  /** Everything it held is gone, and it starts empty. */
  wipe(): Promise<void>
  /** Writes are refused for lack of memory (noeviction), until `freeMemory`. */
  fillMemory(): Promise<void>
  freeMemory(): Promise<void>
  /** Cuts connections that subscribe, and no others. */
  killSubscribers(): Promise<void>
}

export interface PostgresUnderFire {
  /** Of the server that is primary now, past all proxies: for the harness. */
  readonly url: string
  /** PostgreSQL, or PGlite where none is installed. */
  readonly kind: 'postgresql' | 'pglite'
  stop(signal: 'SIGINT' | 'SIGKILL'): Promise<void>
  start(): Promise<void>
  pause(): void
  resume(): void
  /** Connections end, and for a moment only a server that cannot be written to is there; then one that can, with all data. */
  failOver(): Promise<void>
}

export interface UpstreamUnderFire {
  /** As deployments name it: a proxy. */
  readonly proxy: TcpProxy
  /** A patch of a model's script, `*` for all; null takes fields back. See packages/simulator/src/script.ts. */
  script(model: string, patch: object | null): Promise<void>
  /** Every call it has seen since its start, oldest first. */
  ledger(): Promise<readonly LedgerCall[]>
  /** Calls that are under way now. */
  inFlight(): Promise<number>
}

export interface LedgerCall {
  /** The `user` of the request: the load names its jobs by it. */
  readonly user: string
  readonly model: string
  readonly startedAt: number
  readonly endedAt: number | null
  /** `answered`: to its end, with the usage told to the caller. */
  readonly outcome: 'answered' | 'aborted' | 'failed' | 'rejected' | 'running'
  readonly promptTokens: number
  readonly completionTokens: number
  /** False: it told no usage, or nothing that is one; the numbers are the true ones then. Absent: true. */
  readonly tellsUsage?: boolean
}

/** Of a system; all have defaults. */
export interface SystemOptions {
  readonly ingresses?: number
  readonly workers?: number
  readonly controllers?: number
  /** Where the code to run lies. Default: this checkout. A planted bug brings its own. */
  readonly root?: string
  /** Instead of the usual configuration; `${SIMULATOR}` stands for the upstream's address. */
  readonly config?: string
  /** Without a replica there is no failing over of Redis. Default true. */
  readonly replica?: boolean
  /** `embedded`: PGlite even where PostgreSQL is installed; it starts sooner. Default `best`. */
  readonly postgres?: 'best' | 'embedded'
}
