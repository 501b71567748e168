-- Whose share of a class the job comes out of: {"tenant", "weight", "tokens"}. Null: nobody said, it is its owner's.
alter table jobs add column share jsonb;
