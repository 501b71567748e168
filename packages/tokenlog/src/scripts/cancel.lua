-- Marks a job as to be cancelled: no later attempt starts.
-- KEYS[1] the job's record
-- Returns the status it had, or false when there is no such job.
local status = redis.call('HGET', KEYS[1], 'status')
if status == 'queued' or status == 'in_progress' then
  redis.call('HSET', KEYS[1], 'cancel', 1)
end
return status
