-- Creates a job's record. Idempotent: an existing record is left as it is.
-- An asynchronous job's log begins at once, for readers who come before its first attempt; an interactive one's with that.
-- KEYS[1] the job's record, KEYS[2] its log
-- ARGV[1] specification (JSON), ARGV[2] mode, ARGV[3] ids of watching ingresses, comma separated (may be empty)
-- ARGV[4] start by (ms), ARGV[5] finish by (ms), ARGV[6] expiry of both keys (ms), ARGV[7] payload of the entry
-- ARGV[8] accepted at (ms), ARGV[9] attempts are numbered from here; above 0 when Redis has lost the job before
-- Returns 1 when created, 0 when it was there.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('HSET', KEYS[1], 'spec', ARGV[1], 'mode', ARGV[2], 'watch', ARGV[3], 'start_by', ARGV[4], 'finish_by', ARGV[5], 'at', ARGV[8],
  'status', 'queued', 'hop', 0, 'attempt', ARGV[9], 'tries', 0)
redis.call('PEXPIREAT', KEYS[1], ARGV[6])
if ARGV[2] == 'async' then
  redis.call('DEL', KEYS[2])
  redis.call('XADD', KEYS[2], ARGV[9] .. '-1', 'q', ARGV[7])
  if ARGV[9] ~= '0' then
    -- What a lost log has shown is void.
    redis.call('HSET', KEYS[1], 'base', ARGV[9])
    redis.call('XADD', KEYS[2], ARGV[9] .. '-2', 'x', '')
  end
  redis.call('PEXPIREAT', KEYS[2], ARGV[6])
end
return 1
