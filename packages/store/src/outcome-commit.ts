import type { EndMessage, OutcomeMessage, StartMessage } from '@inferq/contracts'
import { errorMessage, type Log } from '@inferq/runtime'
import type { Database } from './database.ts'
import { isRowFault } from './errors.ts'
import { cleanText, cleanTextOrNull, jsonbText, jsonText } from './postgres-text.ts'
import { rowsInput, toTimestamp } from './rows-input.ts'
import type { CommitReport, RejectedOutcome } from './store.ts'

/**
 * Records what workers reported. Two statements, each a transaction: starts, then ends with their bills. Both are guarded
 * by the row's state, so that a message may come twice, late, or after one that should have followed it.
 * Values that Postgres refuses are found by halving, and do not keep the others from being recorded: such an end is
 * recorded without its content; what even then is refused is reported as rejected.
 */
export async function commitOutcomes(
  database: Database,
  log: Log,
  messages: readonly OutcomeMessage[],
): Promise<CommitReport> {
  const { starts, ends } = firstOfEach(messages)
  const rejected: RejectedOutcome[] = []
  const ended: EndMessage[] = []

  await recordByHalves(
    starts,
    (part) => markStarted(database, part),
    (message, reason) => {
      rejected.push({ message, reason })
    },
  )
  await recordByHalves(
    ends,
    async (part) => {
      const recorded = new Set(await recordEnds(database, part))
      ended.push(...part.filter((message) => recorded.has(message.jobId)))
    },
    async (message, reason) => {
      log.error({ jobId: message.jobId, reason }, 'outcome-refused')
      await recordByHalves(
        [withoutContent(message)],
        async (part) => {
          if ((await recordEnds(database, part)).length > 0) ended.push(message)
        },
        () => {
          rejected.push({ message, reason })
        },
      )
    },
  )
  return { ended, rejected }
}

/** One start and one end at most of each job; a start whose end is here too has nothing left to say. Sorted: two controllers lock rows in the same order. */
function firstOfEach(messages: readonly OutcomeMessage[]): {
  starts: readonly StartMessage[]
  ends: readonly EndMessage[]
} {
  const starts = new Map<string, StartMessage>()
  const ends = new Map<string, EndMessage>()
  for (const message of messages) {
    if (message.kind === 'end') {
      if (!ends.has(message.jobId)) ends.set(message.jobId, message)
    } else if (!starts.has(message.jobId)) starts.set(message.jobId, message)
  }
  for (const jobId of ends.keys()) starts.delete(jobId)
  return { starts: sorted(starts), ends: sorted(ends) }
}

function sorted<Message extends OutcomeMessage>(messages: ReadonlyMap<string, Message>): readonly Message[] {
  return [...messages.values()].sort((a, b) => (a.jobId < b.jobId ? -1 : 1))
}

async function recordByHalves<Message>(
  messages: readonly Message[],
  record: (messages: readonly Message[]) => Promise<void>,
  refuse: (message: Message, reason: string) => Promise<void> | void,
): Promise<void> {
  const [first] = messages
  if (first === undefined) return
  try {
    await record(messages)
  } catch (thrown) {
    if (!isRowFault(thrown)) throw thrown
    if (messages.length === 1) {
      await refuse(first, reasonOf(thrown))
      return
    }
    const half = messages.length >> 1
    await recordByHalves(messages.slice(0, half), record, refuse)
    await recordByHalves(messages.slice(half), record, refuse)
  }
}

function reasonOf(thrown: unknown): string {
  return errorMessage(thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown)
}

/** The end as such is what must not be missing; what the job had to say is given up. */
function withoutContent(message: EndMessage): EndMessage {
  const { jobId, status, type, operation, mode, tier, owner, model, requestId, createdAt, endedAt } = message
  const note = 'The outcome of this job could not be recorded whole.'
  return {
    ...{ kind: 'end', jobId, status, type, operation, mode, tier, owner, model, requestId, createdAt, endedAt },
    class: message.class,
    metadata: {},
    attempts: [],
    costMicroUsd: null,
    error: { code: message.error?.code ?? 'internal_error', message: note },
  }
}

async function markStarted(database: Database, starts: readonly StartMessage[]): Promise<void> {
  const input = rowsInput(
    { id: 'text', at: 'float8' },
    starts.map(({ jobId, at }) => ({ id: cleanText(jobId), at })),
  )
  await database.run({
    name: 'mark-started',
    // With the ids as a condition of its own the planner looks them up; the join alone may read every open job.
    text: `
      update jobs set status = 'in_progress', started_at = coalesce(started_at, ${toTimestamp('at')}),
        enqueued_at = coalesce(enqueued_at, now())
      from ${input.from}
      where jobs.id = input.id and jobs.id = any($1) and jobs.status = 'queued'`,
    values: input.values,
  })
}

/** Ends the rows that have not ended, makes those of interactive jobs, and bills each that ended here. Gives their ids. */
async function recordEnds(database: Database, ends: readonly EndMessage[]): Promise<readonly string[]> {
  const input = rowsInput(inputTypes, ends.map(toInput))
  const rows = await database.run<{ readonly id: string }>({
    name: 'record-ends',
    text: `
      with input as materialized (
        select * from ${input.from}
      ), ended as (
        insert into jobs as job (id, type, operation, mode, tier, owner, model, class, status, request_id, metadata, attempts,
          deployment, error, finish_reason, result, keep_result, created_at, started_at, first_token_at, ended_at)
        select id, type, operation, mode, tier, owner, model, class, status, request_id, metadata::jsonb, attempts::jsonb,
          deployment, error::jsonb, finish_reason, result::json, keep_result, ${toTimestamp('created_at')},
          ${toTimestamp('started_at')}, ${toTimestamp('first_token_at')}, ${toTimestamp('ended_at')}
        from input
        on conflict (id) do update set
          status = excluded.status, class = excluded.class, attempts = excluded.attempts, deployment = excluded.deployment,
          error = excluded.error, finish_reason = excluded.finish_reason, result = excluded.result,
          started_at = coalesce(job.started_at, excluded.started_at), first_token_at = excluded.first_token_at,
          ended_at = excluded.ended_at, enqueued_at = coalesce(job.enqueued_at, now()), request = null
        where job.status in ('queued', 'in_progress')
        returning id
      ), billed as (
        insert into usage (job_id, owner, type, model, class, deployment, prompt_tokens, completion_tokens, cached_tokens,
          reasoning_tokens, estimated, cost_micro_usd, at)
        select id, owner, type, model, class, deployment, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens,
          estimated, cost_micro_usd, ${toTimestamp('ended_at')}
        from input join ended using (id)
        on conflict (job_id) do nothing
      )
      select id from ended`,
    values: input.values,
  })
  return rows.map(({ id }) => id)
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
  status: 'text',
  request_id: 'text',
  metadata: 'text',
  attempts: 'text',
  deployment: 'text',
  error: 'text',
  finish_reason: 'text',
  result: 'text',
  keep_result: 'boolean',
  created_at: 'float8',
  started_at: 'float8',
  first_token_at: 'float8',
  ended_at: 'float8',
  prompt_tokens: 'integer',
  completion_tokens: 'integer',
  cached_tokens: 'integer',
  reasoning_tokens: 'integer',
  estimated: 'boolean',
  cost_micro_usd: 'bigint',
} as const

function toInput(message: EndMessage): Readonly<Record<keyof typeof inputTypes, unknown>> {
  const { usage, timings } = message
  return {
    id: cleanText(message.jobId),
    type: message.type,
    operation: message.operation,
    mode: message.mode,
    tier: message.tier,
    owner: cleanText(message.owner),
    model: cleanText(message.model),
    class: cleanText(message.class),
    status: message.status,
    request_id: cleanText(message.requestId),
    metadata: jsonbText(message.metadata),
    attempts: jsonbText(message.attempts),
    deployment: cleanTextOrNull(message.deployment),
    error: jsonbText(message.error),
    finish_reason: cleanTextOrNull(message.finishReason),
    result: jsonText(message.result),
    keep_result: message.result !== undefined,
    created_at: message.createdAt,
    started_at: message.attempts[0]?.startedAt ?? timings?.startedAt ?? null,
    first_token_at: timings?.firstTokenAt ?? null,
    ended_at: message.endedAt,
    prompt_tokens: usage?.promptTokens ?? null,
    completion_tokens: usage?.completionTokens ?? null,
    cached_tokens: usage?.cachedTokens ?? null,
    reasoning_tokens: usage?.reasoningTokens ?? null,
    estimated: usage?.estimated ?? false,
    cost_micro_usd: message.costMicroUsd,
  }
}
