-- Ends a job, once: the terminal entry, the state and the report for the record of truth in one step.
-- KEYS[1] the job's record, KEYS[2] its log, KEYS[3] the outcome stream
-- ARGV[1] job id, ARGV[2] the attempt that is current, ARGV[3] id of the terminal entry
-- ARGV[4] terminal status, ARGV[5] terminal kind, ARGV[6] payload of the entry (JSON)
-- ARGV[7] the attempt's record (JSON; empty: leave it), ARGV[8] report (JSON), ARGV[9] expiry from now (ms)
-- ARGV[10] channel prefix
-- Returns 1 when it ended here, 0 when another end or another attempt came first, -1 when there is no such job.
local job = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'watch', 'mode')
if not job[1] then
  return -1
end
if (job[1] ~= 'queued' and job[1] ~= 'in_progress') or job[2] ~= ARGV[2] then
  return 0
end
local id = redis.call('XADD', KEYS[2], ARGV[3], ARGV[5], ARGV[6])
if job[4] ~= 'async' then
  -- What is left of an interactive job only has to say that it ended.
  redis.call('HSET', KEYS[1], 'status', ARGV[4])
  redis.call('HDEL', KEYS[1], 'spec')
elseif ARGV[7] == '' then
  redis.call('HSET', KEYS[1], 'status', ARGV[4])
else
  redis.call('HSET', KEYS[1], 'status', ARGV[4], 'a:' .. ARGV[2], ARGV[7])
end
redis.call('PEXPIRE', KEYS[1], ARGV[9])
redis.call('PEXPIRE', KEYS[2], ARGV[9])
redis.call('XADD', KEYS[3], '*', 'm', ARGV[8])
publish(ARGV[10], job[3], ARGV[1], id, ARGV[5], ARGV[6])
return 1
