-- Uploaded files, batches of requests, and the lines of batches that run.

create table files (
  id text primary key,
  owner text not null,
  -- '' until its form has been read to the end.
  purpose text not null,
  filename text not null,
  -- uploading: the storage may hold something, nobody sees it. deleted: nobody sees it, the storage may still hold it.
  status text not null,
  bytes bigint not null default 0,
  created_at timestamptz not null,
  -- Null: never.
  expires_at timestamptz
);

-- GET /v1/files, by keyset.
create index files_by_owner on files (owner, created_at desc, id desc);
-- What is to be swept away.
create index files_by_expiry on files (expires_at) where expires_at is not null;
create index files_not_ready on files (created_at) where status <> 'ready';

create table batches (
  id text primary key,
  owner text not null,
  status text not null,
  endpoint text not null,
  input_file_id text not null,
  completion_window text not null,
  metadata jsonb,
  -- What routing may ask of who made it.
  caller jsonb not null,
  -- Of its lines, where they all name the same.
  model text,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  in_progress_at timestamptz,
  finalizing_at timestamptz,
  completed_at timestamptz,
  failed_at timestamptz,
  -- When its time was up; its status says so when its files are written.
  expired_at timestamptz,
  cancelling_at timestamptz,
  cancelled_at timestamptz,
  -- Every line has ended: its files can be written.
  run_ended_at timestamptz,
  output_expires_seconds integer,
  output_file_id text,
  error_file_id text,
  -- Faults of its input, when that is why it failed.
  errors jsonb,
  total integer not null default 0,
  completed integer not null default 0,
  failed integer not null default 0,
  input_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  -- Who works on it now, by the database's clock.
  lease_holder text,
  lease_until timestamptz
);

create index batches_by_owner on batches (owner, created_at desc, id desc);
create index batches_open on batches (created_at, id) where status in ('validating', 'in_progress', 'finalizing', 'cancelling');
create index batches_by_input on batches (input_file_id) where status = 'validating';

-- The lines of a batch, from their validation until its output files are written.
create table batch_lines (
  batch_id text not null references batches (id) on delete cascade,
  line integer not null,
  custom_id text not null,
  -- Follows from batch and line: however often a line is submitted, it is one job.
  job_id text not null,
  model text not null,
  operation text not null,
  -- pending: not submitted. queued: its job is accepted, and may have ended. Then as its job ended.
  status text not null default 'pending',
  -- The request of its job; null once that is accepted, for then the job has it.
  body json,
  -- Of the request, in characters of JSON.
  size integer not null,
  -- What else its answer is made of, where the request of the job does not say it.
  source json,
  result json,
  error jsonb,
  created_at timestamptz,
  ended_at timestamptz,
  primary key (batch_id, line)
);

create index batch_lines_pending on batch_lines (batch_id, line) where status = 'pending';
create index batch_lines_queued on batch_lines (batch_id, line) where status = 'queued';
-- Retention asks whether somebody still needs a job.
create index batch_lines_waiting on batch_lines (job_id) where status = 'queued';
