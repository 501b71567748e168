import type { EndMessage } from '@inferq/contracts'
import type { Database } from './database.ts'
import { cleanText, cleanTextOrNull, jsonbText, jsonText } from './postgres-text.ts'
import { rowsInput, toTimestamp } from './rows-input.ts'

export interface RecordedEnds {
  /** Those that were not recorded before. */
  readonly ended: readonly EndMessage[]
  /** Of how many of them somebody is to be told. */
  readonly deliveries: number
}

/**
 * Ends the rows that have not ended, makes those of interactive jobs, bills each that ended here, with what each of its
 * attempts cost, and makes the deliveries to those who are to be told. The reply names the few that had ended before, not the
 * many that had not.
 */
export async function recordEnds(database: Database, ends: readonly EndMessage[]): Promise<RecordedEnds> {
  const rows = ends.map(toInput)
  const input = rowsInput(inputTypes, rows)
  const costs = rowsInput(costTypes, ends.flatMap(toCosts), { name: 'cost', firstParameter: input.values.length + 1 })
  const [reply] = await database.run<{ readonly known: readonly string[]; readonly told: number }>({
    name: 'record-ends',
    text: `
      with input as materialized (
        select id, type, operation, mode, tier, owner, model, served_model, class, status, request_id, metadata::jsonb, route::jsonb,
          attempts::jsonb, deployment, error::jsonb, finish_reason, result::json, keep_result, ${toTimestamp('created_at')} as created_at,
          ${toTimestamp('started_at')} as started_at, ${toTimestamp('first_token_at')} as first_token_at,
          ${toTimestamp('ended_at')} as ended_at, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, estimated,
          cost_nano_usd
        from ${input.from}
      ), ended as (
        insert into jobs as job (id, type, operation, mode, tier, owner, model, class, status, request_id, metadata, route,
          attempts, deployment, error, finish_reason, result, keep_result, created_at, started_at, first_token_at, ended_at)
        select id, type, operation, mode, tier, owner, model, class, status, request_id, metadata, route, attempts, deployment, error,
          finish_reason, result, keep_result, created_at, started_at, first_token_at, ended_at
        from input
        on conflict (id) do update set
          status = excluded.status, class = excluded.class, attempts = excluded.attempts, deployment = excluded.deployment,
          error = excluded.error, finish_reason = excluded.finish_reason, result = excluded.result,
          started_at = coalesce(job.started_at, excluded.started_at), first_token_at = excluded.first_token_at,
          route = coalesce(job.route, excluded.route), ended_at = excluded.ended_at, enqueued_at = coalesce(job.enqueued_at, now()),
          request = case when excluded.status = 'completed' then null else job.request end
        where job.status in ('queued', 'in_progress')
        returning id, owner as told_owner, status as end_status, webhook, ended_at as end_at
      ), billed as (
        insert into usage (job_id, owner, type, model, requested_model, class, deployment, prompt_tokens, completion_tokens,
          cached_tokens, reasoning_tokens, estimated, cost_nano_usd, at)
        select id, owner, type, served_model, model, class, deployment, prompt_tokens, completion_tokens, cached_tokens,
          reasoning_tokens, estimated, cost_nano_usd, ended_at
        from input join ended using (id)
        on conflict (job_id) do nothing
      ), counted as (
        insert into attempt_cost (job_id, attempt, deployment, model, prompt_tokens, completion_tokens, cost_nano_usd, outcome, at)
        select cost.job_id, cost.attempt, cost.deployment, cost.model, cost.prompt_tokens, cost.completion_tokens,
          cost.cost_nano_usd, cost.outcome, ${toTimestamp('cost.at')}
        from ${costs.from} join ended on ended.id = cost.job_id
        on conflict (job_id, attempt) do nothing
      ), told as (
        insert into webhook_deliveries (id, job_id, owner, event, url, host, base, created_at)
        select 'whd_' || regexp_replace(id, '^job_', ''), id, told_owner, 'job.' || end_status, webhook ->> 'url',
          coalesce(substring(webhook ->> 'url' from '^[a-z]+://([^/?#]+)'), ''), webhook ->> 'base', end_at
        from ended where webhook -> 'events' ? ('job.' || end_status)
        on conflict (id) do nothing
        returning job_id
      )
      select array(select id from input where id not in (select id from ended)) as known, (select count(*) from told) as told`,
    values: [...input.values, ...costs.values],
  })
  const known = new Set<unknown>(reply?.known)
  return { ended: ends.filter((_, index) => !known.has(rows[index]?.id)), deliveries: reply?.told ?? 0 }
}

const inputTypes = {
  id: 'text',
  type: 'text',
  operation: 'text',
  mode: 'text',
  tier: 'text',
  owner: 'text',
  model: 'text',
  served_model: 'text',
  class: 'text',
  status: 'text',
  request_id: 'text',
  metadata: 'text',
  route: 'text',
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
  cost_nano_usd: 'bigint',
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
    served_model: cleanText(message.servedModel),
    class: cleanText(message.class),
    status: message.status,
    request_id: cleanText(message.requestId),
    metadata: jsonbText(message.metadata),
    route: jsonbText(message.route),
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
    cost_nano_usd: message.costNanoUsd,
  }
}

const costTypes = {
  job_id: 'text',
  attempt: 'integer',
  deployment: 'text',
  model: 'text',
  prompt_tokens: 'integer',
  completion_tokens: 'integer',
  cost_nano_usd: 'bigint',
  outcome: 'text',
  at: 'float8',
} as const

/** What the attempts that called a deployment used and cost. */
function toCosts(message: EndMessage): Readonly<Record<keyof typeof costTypes, unknown>>[] {
  return message.attempts.flatMap((attempt) => {
    const { deployment, usage, outcome, costNanoUsd = null } = attempt
    if (deployment === undefined || (usage === undefined && outcome === undefined)) return []
    const model = message.models?.[attempt.hop] ?? message.servedModel
    return [
      {
        job_id: cleanText(message.jobId),
        attempt: attempt.attempt,
        deployment: cleanText(deployment),
        model: cleanText(model),
        prompt_tokens: usage?.promptTokens ?? null,
        completion_tokens: usage?.completionTokens ?? null,
        cost_nano_usd: costNanoUsd,
        outcome: outcome ?? null,
        at: attempt.endedAt ?? attempt.startedAt,
      },
    ]
  })
}
