-- Opens an interactive job, and starts its first attempt at once at the worker that offers most slots, if these are more than
-- those who wait in line will take.
-- Idempotent: an existing record is left as it is.
-- KEYS[1] the job's record, KEYS[2] its log, KEYS[3] slots offered for its class, KEYS[4] leases of the class
-- KEYS[5] list and KEYS[6] sorted set of those who wait for the class
-- ARGV[1] job id, ARGV[2] specification (JSON), ARGV[3] ids of watching ingresses, comma separated
-- ARGV[4] start by (ms), ARGV[5] finish by (ms), ARGV[6] expiry of both keys (ms), ARGV[7] accepted at (ms)
-- ARGV[8] class (JSON), ARGV[9] what the worker is told beside the specification (a line)
-- ARGV[10] prefix of the workers' channels, ARGV[11] prefix of the keys that say a worker is alive
-- ARGV[12] 1: only where one worker alone takes jobs of the class
-- Returns 1 when it was started, 0 when it is queued: then it has to go into the queue.
local known = redis.call('HGET', KEYS[1], 'status')
if known then
  return known == 'queued' and 0 or 1
end
-- A channel whose reader is slow holds little: what is long the worker reads from the record.
local told = #ARGV[2] > 16384 and '' or ARGV[2]
local worker, lease
if ARGV[12] ~= '1' or redis.call('ZCARD', KEYS[3]) == 1 then
  local waiting = redis.call('LLEN', KEYS[5]) + redis.call('ZCARD', KEYS[6])
  while not worker do
    local most = redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')
    if not most[1] or tonumber(most[2]) <= waiting then
      break
    end
    lease = redis.call('GET', ARGV[11] .. most[1])
    if lease and redis.call('PUBLISH', ARGV[10] .. most[1], ARGV[9] .. '\n' .. told) > 0 then
      worker = most[1]
      redis.call('ZINCRBY', KEYS[3], -1, worker)
    else
      -- It was killed, or is frozen: should it come back it offers its slots again.
      redis.call('ZREM', KEYS[3], most[1])
    end
  end
end
if not worker then
  redis.call('HSET', KEYS[1], 'spec', ARGV[2], 'mode', 'interactive', 'watch', ARGV[3], 'start_by', ARGV[4], 'finish_by', ARGV[5],
    'at', ARGV[7], 'status', 'queued', 'hop', 0, 'attempt', 0, 'tries', 0)
  redis.call('PEXPIREAT', KEYS[1], ARGV[6])
  return 0
end
local name = cjson.encode(worker)
redis.call('HSET', KEYS[1], 'spec', ARGV[2], 'mode', 'interactive', 'watch', ARGV[3], 'start_by', ARGV[4], 'finish_by', ARGV[5],
  'at', ARGV[7], 'status', 'in_progress', 'hop', 0, 'attempt', 1, 'tries', 1,
  'a:1', '{"hop":0,"class":' .. ARGV[8] .. ',"worker":' .. name .. ',"startedAt":' .. ARGV[7] .. '}')
redis.call('PEXPIREAT', KEYS[1], ARGV[6])
redis.call('XADD', KEYS[2], '1-0', 's', '{"worker":' .. name .. ',"at":' .. ARGV[7] .. '}')
redis.call('PEXPIREAT', KEYS[2], ARGV[6])
local time = redis.call('TIME')
redis.call('ZADD', KEYS[4], time[1] * 1000 + math.floor(time[2] / 1000) + lease, ARGV[1])
return 1
