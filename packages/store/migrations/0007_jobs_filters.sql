-- Jobs that run another one again, and lists by metadata.

-- Until now the request of every job was dropped with its end. Now that of a job which gave no result stays, so that it can be
-- run again, for `retention.prompts`; see docs/decisions/0013-prompts-of-failed-jobs.md.

alter table jobs
  -- The job that this one runs again. That one may be past its retention.
  add column retry_of text;

-- Of `metadata @> …`. Rows without metadata have no entry in it.
create index jobs_by_metadata on jobs using gin (metadata jsonb_path_ops);

-- Requests to drop. Small: completed jobs have none.
create index jobs_with_request on jobs (ended_at) where request is not null and ended_at is not null;
