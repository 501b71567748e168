-- Reads a log from a position and has later entries published to an ingress, with no gap between the two.
-- KEYS[1] the job's record, KEYS[2] its log
-- ARGV[1] ingress, ARGV[2] start of the range (XRANGE syntax), ARGV[3] most entries
-- Returns the entries, or false when there is no such log (any more).
local job = redis.call('HMGET', KEYS[1], 'status', 'watch')
if redis.call('EXISTS', KEYS[2]) == 0 and job[1] ~= 'queued' then
  return false
end
if job[1] == 'queued' or job[1] == 'in_progress' then
  local watch = job[2] or ''
  local known = false
  for ingress in string.gmatch(watch, '[^,]+') do
    known = known or ingress == ARGV[1]
  end
  if not known then
    redis.call('HSET', KEYS[1], 'watch', watch == '' and ARGV[1] or (watch .. ',' .. ARGV[1]))
  end
end
return redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', ARGV[3])
