import {
  type AttemptRecord,
  attemptBase,
  createEndMessage,
  type EndPayload,
  formatPosition,
  type JobRecord,
  type JobSpec,
  type JobStatus,
  type LogEntry,
  type LogPosition,
  type QueuedPayload,
  type RedisKeys,
  type RequeuedPayload,
  type StartedPayload,
  type TerminalStatus,
  terminalKinds,
} from '@inferq/contracts'
import type { Clock } from '@inferq/runtime'
import type { Redis } from 'ioredis'
import { createDiscarder } from './discarder.ts'
import { parseEntry, parseJobRecord, toFields, withLoss, withOutsideEnd } from './job-record.ts'
import { createLogWriter } from './log-writer.ts'
import { loadScripts, toUnavailable } from './scripts.ts'
import type { BeginResult, EndResult, TokenLog } from './token-log.ts'

export interface TokenLogOptions {
  /** Commands only; never a subscriber or a blocking connection. */
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly clock: Clock
  /** How long a log stays readable after the end. Asynchronous jobs are read from Postgres afterwards. */
  readonly keepMs?: { readonly interactive: number; readonly async: number }
  /** Least time between two flushes of one writer. */
  readonly flushIntervalMs?: number
  /** How long output that Redis does not take is tried again. Default 60 s. */
  readonly patienceMs?: number
}

const defaultKeepMs = { interactive: 30_000, async: 600_000 }
/** Keys of a running job outlive its deadline by this, so that its end can still be written and read. */
const expiryMarginMs = 3_600_000
const readLimit = 500
const terminateTries = 5

/** The token log over Redis Streams. See token-log.ts for the contract and scripts/ for each step. */
export function createTokenLog(options: TokenLogOptions): TokenLog {
  const { redis, keys, clock, keepMs = defaultKeepMs, flushIntervalMs = 5, patienceMs = 60_000 } = options
  const scripts = loadScripts(redis)
  const channels = keys.replies('')
  const discarder = createDiscarder(redis)

  const end = async (
    record: JobRecord,
    ending: { attempt: string; id: string; attempts: readonly AttemptRecord[]; attemptField: string },
    status: TerminalStatus,
    payload: EndPayload,
  ): Promise<EndResult> => {
    const { spec } = record
    const report = createEndMessage(record, ending.attempts, status, payload)
    const reply = await scripts.finish(
      [keys.job(spec.id), keys.log(spec.id), keys.outcomes()],
      [
        spec.id,
        ending.attempt,
        ending.id,
        status,
        terminalKinds[status],
        JSON.stringify(payload),
        ending.attemptField,
        JSON.stringify(report),
        Math.max(spec.keepLogMs ?? 0, keepMs[spec.mode]),
        channels,
      ],
    )
    return reply === 1 ? 'ended' : reply === 0 ? 'superseded' : 'unknown'
  }

  const record = async (jobId: string): Promise<JobRecord | null> =>
    parseJobRecord(await redis.hgetall(keys.job(jobId)).catch(toUnavailable))

  const fieldOfEach = async (jobIds: readonly string[], field: string): Promise<readonly (string | null)[]> => {
    if (jobIds.length === 0) return []
    const pipeline = redis.pipeline()
    for (const jobId of jobIds) pipeline.hget(keys.job(jobId), field)
    const replies = (await pipeline.exec().catch(toUnavailable)) ?? []
    return replies.map(([failure, value]) => (failure ? toUnavailable(failure) : ((value as string | null) ?? null)))
  }

  return {
    async open(spec, watcher = '', losses = 0) {
      const queued: QueuedPayload = { class: spec.candidates[0]?.class ?? '', at: spec.createdAt }
      await scripts.open(
        [keys.job(spec.id), keys.log(spec.id)],
        [
          JSON.stringify(spec),
          spec.mode,
          watcher,
          spec.startBy,
          spec.finishBy,
          spec.finishBy + expiryMarginMs,
          JSON.stringify(queued),
          spec.createdAt,
          attemptBase(losses),
        ],
      )
    },

    async start(spec, watcher, at) {
      const { slots, leases, line, channels: starts, alive, head, isParticular } = at
      const reply = await scripts.start(
        [keys.job(spec.id), keys.log(spec.id), slots, leases, ...line],
        [
          ...[spec.id, JSON.stringify(spec), watcher],
          ...[spec.startBy, spec.finishBy, spec.finishBy + expiryMarginMs, spec.createdAt],
          ...[JSON.stringify(spec.candidates[0]?.class ?? ''), head, starts, alive, isParticular ? 1 : 0],
        ],
      )
      return reply === 1
    },

    async begin(jobId, start): Promise<BeginResult> {
      const at = clock.now()
      const attempt = { hop: start.hop, class: start.class, worker: start.worker, startedAt: at }
      const started: StartedPayload = { worker: start.worker, at }
      const [verdict, number, shown, flat] = (await scripts.begin(
        [keys.job(jobId), keys.log(jobId), keys.outcomes()],
        [jobId, start.hop, start.maxTries, at, JSON.stringify(attempt), JSON.stringify(started), channels],
      )) as [string, number, number, string[]]
      if (verdict === 'unknown' || verdict === 'ended') return { kind: verdict }
      const parsed = parseJobRecord(toFields(flat))
      if (parsed === null) return { kind: 'unknown' }
      if (verdict === 'superseded') return { kind: verdict, record: parsed }
      if (verdict === 'begun') {
        const before = { ...parsed, attempts: parsed.attempts.map(withLoss) }
        return { kind: verdict, record: before, attempt: number, shown: shown === 1 }
      }
      return { kind: 'refused', record: parsed, why: verdict as 'cancelled' | 'expired' | 'exhausted' }
    },

    writer(jobId, attempt) {
      return createLogWriter({
        clock,
        flushIntervalMs,
        patienceMs,
        append: async (seq, entries) =>
          (await scripts.append([keys.job(jobId), keys.log(jobId)], [jobId, attempt, seq, channels, ...entries])) === 1,
      })
    },

    async release(jobId, attempt, release) {
      const payload: RequeuedPayload = {
        move: release.move,
        reason: release.reason,
        delayMs: release.delayMs,
        class: release.class,
        hop: release.hop,
        at: clock.now(),
      }
      const counts = release.move === 'requeue' ? 0 : 1
      const reply = await scripts.release(
        [keys.job(jobId), keys.log(jobId)],
        [jobId, attempt.attempt, release.hop, counts, JSON.stringify(attempt), JSON.stringify(payload), channels],
      )
      return reply === 1 ? 'released' : 'superseded'
    },

    finish: (begun, attempt, status, payload) =>
      end(
        begun,
        {
          attempt: String(attempt.attempt),
          id: `${attempt.attempt}-*`,
          attempts: [...begun.attempts, attempt],
          attemptField: JSON.stringify(attempt),
        },
        status,
        payload,
      ),

    async terminate(jobId, status, payload) {
      // The attempt may change between the look and the end; each further try means that a worker has just begun.
      for (let tries = 0; tries < terminateTries; tries++) {
        const found = await record(jobId)
        if (found === null) return 'unknown'
        const attempts = found.attempts.map((attempt) => withOutsideEnd(attempt, status))
        const last = attempts.at(-1)
        const attemptField = last === undefined || last === found.attempts.at(-1) ? '' : JSON.stringify(last)
        const ending = { attempt: String(found.attempt), id: `${found.attempt + 1}-0`, attempts, attemptField }
        const result = await end(found, ending, status, payload)
        if (result !== 'superseded') return result
        const again = await record(jobId)
        if (again === null || (again.status !== 'queued' && again.status !== 'in_progress')) return 'superseded'
      }
      return 'superseded'
    },

    async requestCancel(jobId) {
      return ((await scripts.cancel([keys.job(jobId)], [])) as JobStatus | null) ?? 'unknown'
    },

    record,

    async statuses(jobIds) {
      return (await fieldOfEach(jobIds, 'status')) as readonly (JobStatus | null)[]
    },

    async cancelRequests(jobIds) {
      return (await fieldOfEach(jobIds, 'cancel')).map((mark) => mark !== null)
    },

    async deserted(jobIds) {
      const replies = (await scripts.deserted(jobIds.map(keys.job), [channels])) as readonly string[]
      return replies.map((ingresses) => (ingresses === '' ? [] : ingresses.split(',')))
    },

    async read(jobId, after, limit = readLimit) {
      const entries = await redis.xrange(keys.log(jobId), rangeStart(after), '+', 'COUNT', limit).catch(toUnavailable)
      if (entries.length > 0) return entries.map(parseEntry)
      // The log of an interactive job begins with its first attempt.
      const [exists, status] = await Promise.all([
        redis.exists(keys.log(jobId)),
        redis.hget(keys.job(jobId), 'status'),
      ]).catch(toUnavailable)
      return exists === 1 || status === 'queued' ? [] : null
    },

    async attach(jobId, watcher, after, limit = readLimit) {
      const reply = (await scripts.attach([keys.job(jobId), keys.log(jobId)], [watcher, rangeStart(after), limit])) as
        | readonly [string, string[]][]
        | null
      return reply === null ? null : (reply.map(parseEntry) satisfies readonly LogEntry[])
    },

    discard: (jobId) => discarder.add(keys.log(jobId)),
    close: () => discarder.close(),
  }
}

/** What `begin` would say at a worker of a job that `start` has started there. */
export function startedHere(spec: JobSpec): Extract<BeginResult, { kind: 'begun' }> {
  const record = { spec, status: 'queued', hop: 0, attempt: 0, tries: 0, cancelRequested: false, attempts: [] } as const
  return { kind: 'begun', record, attempt: 1, shown: false }
}

function rangeStart(after: LogPosition | null): string {
  return after === null ? '-' : `(${formatPosition(after)}`
}
