-- Jobs and their bill.
-- An asynchronous job is a row from its acceptance on; an interactive one is written once, when it has ended.

create table jobs (
  id text primary key,
  type text not null,
  operation text not null,
  mode text not null,
  tier text not null,
  owner text not null,
  -- Of the candidate that served it last; before the first start, of the preferred one.
  model text not null,
  class text not null,
  status text not null,
  stream boolean not null default false,
  keep_result boolean not null default false,
  request_id text not null,
  metadata jsonb not null default '{}',
  -- Null for interactive jobs: nobody starts them again.
  candidates jsonb,
  attempts jsonb not null default '[]',
  -- request and result are json, not jsonb: kept as they came (also what jsonb refuses) and never searched.
  -- Prompts are not retained: request is null once the job has ended.
  request json,
  result json,
  error jsonb,
  finish_reason text,
  deployment text,
  created_at timestamptz not null,
  start_by timestamptz,
  finish_by timestamptz,
  -- When it was known to be in its queue; null: accepted, and perhaps not enqueued.
  enqueued_at timestamptz,
  -- From when on the relay may enqueue it, by the database's clock; moved on by each claim, which makes it a lease.
  relay_at timestamptz,
  started_at timestamptz,
  first_token_at timestamptz,
  ended_at timestamptz
);

-- GET /v1/jobs: newest first, by keyset.
create index jobs_by_owner on jobs (owner, created_at desc, id desc);

-- Retention.
create index jobs_by_end on jobs (ended_at) where ended_at is not null;

-- The rest are small: they hold only jobs that have not ended.
create index jobs_open on jobs (id) where status in ('queued', 'in_progress');
create index jobs_to_relay on jobs (relay_at) where enqueued_at is null and status = 'queued';
create index jobs_due on jobs ((case when status = 'queued' then least(start_by, finish_by) else finish_by end))
  where status in ('queued', 'in_progress');

-- The bill: exactly one row for every job that has ended. It outlives the job's row.
create table usage (
  job_id text primary key,
  owner text not null,
  type text not null,
  model text not null,
  class text not null,
  deployment text,
  -- Null where nothing was counted.
  prompt_tokens integer,
  completion_tokens integer,
  cached_tokens integer,
  reasoning_tokens integer,
  -- Counted by inferq because the upstream did not say.
  estimated boolean not null default false,
  -- Null: the price is not known. Never 0 for that.
  cost_micro_usd bigint,
  at timestamptz not null
);
