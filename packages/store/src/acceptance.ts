import type { JobSpec } from '@inferq/contracts'
import { type Clock, createSystemClock } from '@inferq/runtime'
import { createBatcher } from './batcher.ts'
import type { Database } from './database.ts'
import { isRowFault } from './errors.ts'
import { holdProof, type KeyHold, keyLost } from './idempotency.ts'
import { cleanText, cleanTextOrNull, jsonbText, jsonText } from './postgres-text.ts'
import { rowsInput, toTimestamp } from './rows-input.ts'
import type { Store } from './store.ts'

const batchLimits = { maxItems: 1_000, maxBytes: 8 * 2 ** 20, maxWaiting: 20_000 }

/** What a slow disk takes at least. Large requests get more time than small ones. */
const bytesPerMs = 4_000

export interface Acceptance {
  readonly methods: Pick<Store, 'insertAccepted' | 'markEnqueued'>
  /** Resolves when no commit is under way. */
  idle(): Promise<void>
}

export interface AcceptanceOptions {
  readonly relayAfterMs: number
  /** How long a submit may take, plus what its bytes need. */
  readonly answerWithinMs: number
  readonly statementTimeoutMs: number
  readonly clock?: Clock
}

/** What a submit writes: the job's row, then the mark that it is in its queue. Both in batches over concurrent calls. */
export function createAcceptance(database: Database, options: AcceptanceOptions): Acceptance {
  const { relayAfterMs, answerWithinMs, statementTimeoutMs, clock = createSystemClock() } = options
  const submitTimeoutMs = (bytes: number): number => answerWithinMs + bytes / bytesPerMs
  const inserts = createBatcher<InsertedJob>({
    ...batchLimits,
    clock,
    bytesOf,
    timeoutMs: submitTimeoutMs,
    run: (jobs, timeoutMs) => insertJobs(database, jobs, { relayAfterMs, timeoutMs }),
    isItemFault: isRowFault,
  })
  const marks = createBatcher<string>({
    ...batchLimits,
    clock,
    bytesOf: () => 0,
    timeoutMs: () => statementTimeoutMs,
    run: (jobIds) => setEnqueued(database, jobIds),
    isItemFault: isRowFault,
  })
  return {
    methods: {
      async insertAccepted(specs, hold) {
        const jobs = specs.map(toInput)
        if (hold === undefined) await inserts.add(jobs)
        // Whoever comes with a key waits for a commit of its own already: that of the key.
        else {
          const timeoutMs = submitTimeoutMs(jobs.reduce((sum, job) => sum + bytesOf(job), 0))
          await insertJobs(database, jobs, { relayAfterMs, timeoutMs, hold })
        }
      },
      markEnqueued: (jobIds) => marks.add(jobIds),
    },
    async idle() {
      await inserts.idle()
      await marks.idle()
    },
  }
}

interface InsertOptions {
  readonly relayAfterMs: number
  readonly timeoutMs: number
  /** Insert them only while the key is held, and have it stand for them from now on. Throws `service_unavailable` otherwise. */
  readonly hold?: KeyHold
}

async function insertJobs(database: Database, jobs: readonly InsertedJob[], options: InsertOptions): Promise<void> {
  const { relayAfterMs, timeoutMs, hold } = options
  const input = rowsInput(inputTypes, jobs)
  const proof = holdProof(hold, input.values.length + 1)
  const [row] = await database.run<{ readonly held: boolean }>({
    name: 'insert-accepted',
    timeoutMs,
    text: `
      with ${proof.cte}, added as (
        insert into jobs (id, type, operation, mode, tier, owner, model, class, status, stream, keep_result, request_id,
          metadata, candidates, route, cascade_check, webhook, request, retry_of, share, created_at, start_by, finish_by, relay_at)
        select id, type, operation, mode, tier, owner, model, class, 'queued', stream, keep_result, request_id,
          metadata::jsonb, candidates::jsonb, route::jsonb, cascade_check::jsonb, webhook::jsonb, request::json, retry_of, share::jsonb, ${toTimestamp('created_at')}, ${toTimestamp('start_by')},
          ${toTimestamp('finish_by')}, now() + ${relayAfterMs} * interval '1 millisecond'
        from ${input.from} cross join held
        where held.held
        on conflict (id) do nothing
      )
      select held from held`,
    values: [...input.values, ...proof.values],
  })
  if (row?.held === false) throw keyLost()
}

const inputTypes = {
  id: 'text',
  type: 'text',
  operation: 'text',
  mode: 'text',
  tier: 'text',
  owner: 'text',
  model: 'text',
  class: 'text',
  stream: 'boolean',
  keep_result: 'boolean',
  request_id: 'text',
  metadata: 'text',
  candidates: 'text',
  route: 'text',
  cascade_check: 'text',
  webhook: 'text',
  request: 'text',
  retry_of: 'text',
  share: 'text',
  created_at: 'float8',
  start_by: 'float8',
  finish_by: 'float8',
} as const

type InsertedJob = Readonly<Record<keyof typeof inputTypes, unknown>>

function toInput(spec: JobSpec): InsertedJob {
  return {
    id: cleanText(spec.id),
    type: spec.type,
    operation: spec.operation,
    mode: spec.mode,
    tier: spec.tier,
    owner: cleanText(spec.owner),
    model: cleanText(spec.model),
    class: cleanText(spec.candidates[0]?.class ?? ''),
    stream: spec.stream,
    keep_result: spec.keepResult,
    request_id: cleanText(spec.requestId),
    metadata: jsonbText(spec.metadata),
    candidates: jsonbText(spec.candidates),
    route: jsonbText(spec.route),
    cascade_check: jsonbText(spec.cascade),
    webhook: jsonbText(spec.webhook),
    request: jsonText(spec.request),
    retry_of: cleanTextOrNull(spec.retryOf),
    share: jsonbText(spec.share),
    created_at: spec.createdAt,
    start_by: spec.startBy,
    finish_by: spec.finishBy,
  }
}

/** What counts is the request: prompts may be large. */
function bytesOf({ request }: InsertedJob): number {
  return typeof request === 'string' ? request.length : 0
}

async function setEnqueued(database: Database, jobIds: readonly string[]): Promise<void> {
  await database.run({
    name: 'mark-enqueued',
    text: `
      update jobs set enqueued_at = now()
      where id = any($1) and enqueued_at is null and status in ('queued', 'in_progress')`,
    values: [jobIds],
  })
}
