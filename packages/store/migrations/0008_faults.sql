-- What has to stay true while Postgres, or the way to it, fails; and how long bills are kept.

-- The thing that the key stands for was made, by the statement that set this. Until then another request may take the key over,
-- and whoever comes late with the first thing finds that the key is no longer its own.
alter table idempotency_keys add column made boolean not null default false;

-- Retention of jobs asks whether somebody is still to be told.
create index webhook_deliveries_waiting on webhook_deliveries (job_id) where state = 'pending';

-- Retention of bills.
create index usage_by_time on usage (at);
create index attempt_cost_by_time on attempt_cost (at);
