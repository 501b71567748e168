-- Starts an attempt, unless the job has moved on, ended, or may not start. Its first entry fences every earlier attempt.
-- KEYS[1] the job's record, KEYS[2] its log, KEYS[3] the outcome stream
-- ARGV[1] job id, ARGV[2] hop of the queue's job, ARGV[3] bound of tries, ARGV[4] now (ms)
-- ARGV[5] the attempt's record (JSON), ARGV[6] payload of the entry (JSON), ARGV[7] channel prefix
-- Returns { verdict, attempt, 1 when readers have output of earlier attempts, record }; the record is a flat list of fields as before this call.
local record = redis.call('HGETALL', KEYS[1])
if #record == 0 then
  return { 'unknown', 0, 0, record }
end
local job = {}
for i = 1, #record, 2 do
  job[record[i]] = record[i + 1]
end
if job.status ~= 'queued' and job.status ~= 'in_progress' then
  return { 'ended', 0, 0, record }
end
if tonumber(job.hop) ~= tonumber(ARGV[2]) then
  return { 'superseded', 0, 0, record }
end
if job.cancel then
  return { 'cancelled', 0, 0, record }
end
local now = tonumber(ARGV[4])
local attempt = tonumber(job.attempt) + 1
-- Of this record: what was before it, Redis has lost.
local first = attempt == tonumber(job.base or 0) + 1
if now > tonumber(job.finish_by) or (first and now > tonumber(job.start_by)) then
  return { 'expired', 0, 0, record }
end
if tonumber(job.tries) >= tonumber(ARGV[3]) then
  return { 'exhausted', 0, 0, record }
end
-- What an attempt that was lost or put back has shown is gone on with, or declared void, by whoever shows something next.
local shown = job.shown == '1'
if not first and not shown then
  -- After the output of an attempt comes at most the entry of its release.
  for _, entry in ipairs(redis.call('XREVRANGE', KEYS[2], '+', job.attempt .. '-0', 'COUNT', 2)) do
    local kind = entry[2][1]
    shown = shown or kind == 't' or kind == 'd'
  end
end
redis.call('HSET', KEYS[1], 'status', 'in_progress', 'attempt', attempt, 'tries', tonumber(job.tries) + 1, 'a:' .. attempt, ARGV[5])
if shown and job.shown ~= '1' then
  redis.call('HSET', KEYS[1], 'shown', 1)
end
redis.call('XADD', KEYS[2], attempt .. '-0', 's', ARGV[6])
if first and job.mode ~= 'async' then
  redis.call('PEXPIREAT', KEYS[2], redis.call('PEXPIRETIME', KEYS[1]))
end
-- Whoever waits for an interactive job learns of its first attempt by what it brings, unless the wait was long.
if not first or job.mode == 'async' or now - tonumber(job.at) > 500 then
  publish(ARGV[7], job.watch, ARGV[1], attempt .. '-0', 's', ARGV[6])
end
if first and job.mode == 'async' then
  redis.call('XADD', KEYS[3], '*', 'm',
    '{"kind":"start","jobId":"' .. ARGV[1] .. '","attempt":' .. attempt .. ',"at":' .. ARGV[4] .. '}')
end
return { 'begun', attempt, shown and 1 or 0, record }
