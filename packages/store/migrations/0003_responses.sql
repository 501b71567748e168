-- What a response (POST /v1/responses) has beside its job: its request without the input, and its own input items. The answer
-- is the job's result. Written before the job, so that no job of a response is without it.

create table responses (
  -- Of its job.
  job_id text primary key,
  owner text not null,
  -- The response it goes on after: the id of that one's job.
  previous_job_id text,
  -- json, not jsonb: kept as they came, and never searched. Null once it was deleted.
  request json,
  input_items json,
  created_at timestamptz not null,
  deleted_at timestamptz
);

-- Retention: rows of jobs that are gone.
create index responses_by_age on responses (created_at);
