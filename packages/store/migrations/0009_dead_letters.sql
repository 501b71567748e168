-- Operators look at the jobs of all owners, most often at those that failed.

-- GET /v1/jobs?owner=*: newest first, by keyset. It grows at its right end alone.
create index jobs_by_time on jobs (created_at desc, id desc);

-- The same with status=failed: however many have completed in between.
create index jobs_failed on jobs (created_at desc, id desc) where status = 'failed';
