import type { JobSpec } from '@inferq/contracts'
import { createBatcher } from './batcher.ts'
import type { Database } from './database.ts'
import { isRowFault } from './errors.ts'
import { cleanText, cleanTextOrNull, jsonbText, jsonText } from './postgres-text.ts'
import { rowsInput, toTimestamp } from './rows-input.ts'
import type { Store } from './store.ts'

const batchLimits = { maxItems: 1_000, maxWaiting: 20_000 }

export interface Acceptance {
  readonly methods: Pick<Store, 'insertAccepted' | 'markEnqueued'>
  /** Resolves when no commit is under way. */
  idle(): Promise<void>
}

/** What a submit writes: the job's row, then the mark that it is in its queue. Both in batches over concurrent calls. */
export function createAcceptance(database: Database, options: { readonly relayAfterMs: number }): Acceptance {
  const inserts = createBatcher<JobSpec>({
    ...batchLimits,
    run: (specs) => insertJobs(database, specs, options.relayAfterMs),
    isItemFault: isRowFault,
  })
  const marks = createBatcher<string>({
    ...batchLimits,
    run: (jobIds) => setEnqueued(database, jobIds),
    isItemFault: isRowFault,
  })
  return {
    methods: {
      insertAccepted: (specs) => inserts.add(specs),
      markEnqueued: (jobIds) => marks.add(jobIds),
    },
    async idle() {
      await inserts.idle()
      await marks.idle()
    },
  }
}

async function insertJobs(database: Database, specs: readonly JobSpec[], relayAfterMs: number): Promise<void> {
  const input = rowsInput(inputTypes, specs.map(toInput))
  await database.run({
    name: 'insert-accepted',
    text: `
      insert into jobs (id, type, operation, mode, tier, owner, model, class, status, stream, keep_result, request_id,
        metadata, candidates, route, cascade_check, webhook, request, retry_of, created_at, start_by, finish_by, relay_at)
      select id, type, operation, mode, tier, owner, model, class, 'queued', stream, keep_result, request_id,
        metadata::jsonb, candidates::jsonb, route::jsonb, cascade_check::jsonb, webhook::jsonb, request::json, retry_of, ${toTimestamp('created_at')}, ${toTimestamp('start_by')},
        ${toTimestamp('finish_by')}, now() + ${relayAfterMs} * interval '1 millisecond'
      from ${input.from}
      on conflict (id) do nothing`,
    values: input.values,
  })
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
  created_at: 'float8',
  start_by: 'float8',
  finish_by: 'float8',
} as const

function toInput(spec: JobSpec): Readonly<Record<keyof typeof inputTypes, unknown>> {
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
    created_at: spec.createdAt,
    start_by: spec.startBy,
    finish_by: spec.finishBy,
  }
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
