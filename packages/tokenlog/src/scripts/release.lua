-- Ends an attempt without ending the job: it waits again, perhaps in another queue.
-- KEYS[1] the job's record, KEYS[2] its log
-- ARGV[1] job id, ARGV[2] attempt, ARGV[3] hop from now on, ARGV[4] 1: the attempt counts, 0: it is taken back
-- ARGV[5] the attempt's record (JSON), ARGV[6] payload of the entry (JSON), ARGV[7] channel prefix
-- Returns 1 when released (also when this very call was made before), 0 when the attempt is fenced.
local job = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'watch', 'hop')
if job[2] ~= ARGV[2] then
  return 0
end
if job[1] == 'queued' then
  return 1
end
if job[1] ~= 'in_progress' then
  return 0
end
redis.call('HSET', KEYS[1], 'status', 'queued', 'hop', ARGV[3], 'a:' .. ARGV[2], ARGV[5])
if ARGV[3] ~= job[4] then
  -- Tries are counted for each candidate.
  redis.call('HSET', KEYS[1], 'tries', 0)
elseif ARGV[4] == '0' then
  redis.call('HINCRBY', KEYS[1], 'tries', -1)
end
if ARGV[4] == '0' then
  -- A backend may be busy for a day: of the attempts taken back only the latest are kept.
  redis.call('HDEL', KEYS[1], 'a:' .. (tonumber(ARGV[2]) - 20))
end
local id = redis.call('XADD', KEYS[2], ARGV[2] .. '-*', 'r', ARGV[6])
publish(ARGV[7], job[3], ARGV[1], id, 'r', ARGV[6])
return 1
