-- Models added at run time, money to the nano-dollar, and what each attempt cost.

-- Laid over the configuration file by every process, in the order they were added.
create table models (
  id text primary key,
  model_name text not null,
  -- litellm_params, which hold keys: sealed by the application, see packages/liveconfig.
  sealed_params text not null,
  model_info jsonb not null default '{}',
  -- Owner of the key that added it.
  created_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- One row. Each change of `models` adds 1 in its own transaction: the row's lock puts changes in an order, so that of two
-- readings the one with the higher version has seen everything the other has.
create table models_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null
);
insert into models_version (version) values (0);

alter table jobs
  -- How the request came to its candidates. Null: as it was asked for.
  add column route jsonb,
  -- When the answer of a cheaper candidate will do. Needed to run the job again.
  add column cascade_check jsonb;

-- `model` of a bill is the one that served; `requested_model` is what the client named.
alter table usage add column requested_model text;
alter table usage rename column cost_micro_usd to cost_nano_usd;
update usage set requested_model = model, cost_nano_usd = cost_nano_usd * 1000;

-- What each attempt used and cost: a job that fell back has paid more than once. Outlives the job's row, as `usage` does.
create table attempt_cost (
  job_id text not null,
  attempt integer not null,
  deployment text not null,
  -- Null: not known.
  model text,
  prompt_tokens integer,
  completion_tokens integer,
  -- Null: nothing was counted, or the price is not known. Never 0 for that.
  cost_nano_usd bigint,
  outcome text,
  at timestamptz not null,
  primary key (job_id, attempt)
);
