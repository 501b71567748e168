-- Which thing a request with an Idempotency-Key made, so that the same request again finds it instead of making another.

create table idempotency_keys (
  owner text not null,
  key text not null,
  -- Of the route and the canonical body: the same key with another request is refused.
  body_hash text not null,
  -- Id of the job (response, batch, …) that the first request makes. It may not exist yet.
  subject_id text not null,
  -- Until then whoever claimed the key may still be making it; afterwards an id that nobody knows is given up.
  lease_until timestamptz not null,
  created_at timestamptz not null default now(),
  primary key (owner, key)
);

-- Retention.
create index idempotency_keys_by_age on idempotency_keys (created_at);
