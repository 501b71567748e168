-- Who is told of a job's end, what became of it, and what signs it.

-- {"url", "events", "base"}; null: nobody is told.
alter table jobs add column webhook jsonb;

-- One for each job whose end somebody wants to hear of, made with the end in one statement. It lives as long as the job: what
-- it sends is made of the job's row, which does not change after the end.
create table webhook_deliveries (
  -- The webhook-id of every attempt. Made of the job's id: a job has one end.
  id text primary key,
  job_id text not null references jobs (id) on delete cascade,
  owner text not null,
  event text not null,
  url text not null,
  -- Host and port of the URL: attempts at once are bounded by it.
  host text not null,
  -- Goes before the paths of the job's URLs.
  base text,
  -- pending, delivered, failed (the receiver wants no more), abandoned (attempts used up)
  state text not null default 'pending',
  -- Begun so far. Also the fence: the outcome of an attempt that is not the latest changes nothing, unless it delivered.
  attempts integer not null default 0,
  -- Those of `attempts` made before the latest replay: the retries begin again with it.
  attempts_before integer not null default 0,
  -- When it is due; while an attempt runs, when it is given up for lost.
  next_at timestamptz not null default now(),
  last_status integer,
  -- {"code", "message"}
  last_error jsonb,
  created_at timestamptz not null,
  delivered_at timestamptz
);

-- Retention follows the job.
create index webhook_deliveries_by_job on webhook_deliveries (job_id);
-- GET /v1/webhooks/deliveries: newest first, by keyset.
create index webhook_deliveries_by_owner on webhook_deliveries (owner, created_at desc, id desc);
-- What is due, host by host. Small: only what is pending.
create index webhook_deliveries_due on webhook_deliveries (host, next_at) where state = 'pending';

-- The latest attempts of each, to be looked at.
create table webhook_attempts (
  delivery_id text not null references webhook_deliveries (id) on delete cascade,
  attempt integer not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  status integer,
  error jsonb,
  primary key (delivery_id, attempt)
);

create table webhook_secrets (
  id text primary key,
  owner text not null,
  -- By the application, see packages/webhooks.
  sealed text not null,
  created_at timestamptz not null default now(),
  -- Null: the current one. Otherwise it was rotated, and signs too until then.
  expires_at timestamptz,
  -- When its owner saw it: once.
  shown_at timestamptz
);
create unique index webhook_secrets_current on webhook_secrets (owner) where expires_at is null;
create index webhook_secrets_by_owner on webhook_secrets (owner);
