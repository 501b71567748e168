-- How often Redis has lost the job, with the log that its readers have read: the number its positions go on from.
alter table jobs add column losses integer not null default 0;
