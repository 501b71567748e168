-- Appends entries of a running attempt. Nothing is written, and nothing published, once the attempt is fenced.
-- KEYS[1] the job's record, KEYS[2] its log
-- ARGV[1] job id, ARGV[2] attempt, ARGV[3] seq of the first entry, ARGV[4] channel prefix, then pairs of kind and payload
-- Returns 1 when written, 0 when fenced: another attempt, an end, or no log any more. Fails when Redis takes no writes now
-- (out of memory, a replica): the same call may be made again.
local job = redis.call('HMGET', KEYS[1], 'status', 'attempt', 'watch')
if job[1] ~= 'in_progress' or job[2] ~= ARGV[2] then
  return 0
end
local seq = tonumber(ARGV[3])
for i = 5, #ARGV, 2 do
  local id = ARGV[2] .. '-' .. seq
  local added = redis.pcall('XADD', KEYS[2], 'NOMKSTREAM', id, ARGV[i], ARGV[i + 1])
  if not added then
    return 0
  end
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'equal or smaller', 1, true) then
      return added
    end
    -- Not greater than the last id: our own entry, sent again, or a fence.
    if #redis.call('XRANGE', KEYS[2], id, id) == 0 then
      return 0
    end
  else
    publish(ARGV[4], job[3], ARGV[1], id, ARGV[i], ARGV[i + 1])
  end
  if ARGV[i] == 'x' then
    redis.call('HDEL', KEYS[1], 'shown')
  end
  seq = seq + 1
end
return 1
